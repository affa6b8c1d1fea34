"""A data set: where its files are and which classes it has, as described by `dataset.toml` in its root."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import write_text
from helpers.datasets.classes import Classes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DESCRIPTION = "dataset.toml"
SPLITS = ("train", "val", "test")
UNFINISHED = ".unfinished"  # folder in the root while a command writes the data set
COMMAND = "command"  # file in that folder: the command to run again
IMAGE_SUFFIXES = ("png", "jpg", "jpeg", "jfif", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "gif")
CITYSCAPES = Path(__file__).with_name("cityscapes.toml")  # for folders in its layout without a description
_KEYS = ("name", "images", "labels", "splits", "ignore", "classes", "groups", "annotations")
_CLASS_KEYS = ("name", "color", "value", "category")


@dataclass(frozen=True)
class Frame:
    """One image of a data set and, except in the test split, its label.

    `group` is the folder of frames that belong together, such as a city or a sequence; "" if the layout has none.
    """

    dataset: Dataset
    split: str
    group: str
    stem: str
    image: Path

    @property
    def label(self) -> Path:
        """Path of the label: an 8-bit grey or paletted PNG of class values, of the size of the image."""
        return self._path(self.dataset.labels)

    def annotation(self, kind: str) -> Path | None:
        """Return the path of another annotation, such as "polygons"; None if the data set has no such kind."""
        pattern = dict(self.dataset.annotations).get(kind)
        return None if pattern is None else self._path(pattern)

    def _path(self, pattern: str) -> Path:
        folder = dict(self.dataset.splits)[self.split]
        return self.dataset.root / pattern.format(split=folder, group=self.group, stem=self.stem)


@dataclass(frozen=True)
class Dataset:
    """Where the files of a data set are, and what its labels mean.

    Attributes
    ----------
    root : Path
        Folder of the data set.
    name : str
        Name in captions and tables.
    classes : Classes
        The classes of the labels.
    images, labels : str
        Paths relative to the root, with the placeholders {split}, {group} and {stem}. The path of images may end
        with ".*" for any image format.
    splits : tuple of (str, str)
        The name of the folder of each split: train, val and test.
    annotations : tuple of (str, str)
        Other annotations of a frame by kind, as paths like `labels`.
    """

    root: Path
    name: str
    classes: Classes
    images: str
    labels: str
    splits: tuple[tuple[str, str], ...] = tuple((split, split) for split in SPLITS)
    annotations: tuple[tuple[str, str], ...] = ()

    def list_frames(self, split: str) -> list[Frame]:
        """Return the frames of a split, sorted by group and stem, without checking them."""
        folder = dict(self.splits).get(split)
        if folder is None:
            return []
        parts = self.images.replace("{split}", folder).split("/")
        found = sorted((each.get("group", ""), each["stem"], path) for path, each in _find(self.root, parts, {}))
        return [Frame(self, split, group, stem, path) for group, stem, path in found]

    def frames(self, split: str) -> list[Frame]:
        """Return the frames of a split, sorted by group and stem; labels are matched by stem, never by position.

        The test split has no labels. Raise CourseError if the split is unknown or empty, two frames share a stem, or a
        train or val frame has no label.
        """
        if split not in SPLITS:
            raise CourseError(f"Unknown split {split!r}: choose train, val or test.")
        check_finished(self.root)
        frames = self.list_frames(split)
        if not frames:
            expected = self.images.format(split=dict(self.splits).get(split, split), group="<group>", stem="<stem>")
            raise CourseError(f"No {split} frames in {self.root}: expected images like {expected}.")
        for stem, count in Counter(frame.stem for frame in frames).items():
            if count > 1:
                paths = " and ".join(str(each.image.relative_to(self.root)) for each in frames if each.stem == stem)
                raise CourseError(f"The stem {stem} occurs in {paths}: rename one, stems must be unique in a split.")
        unlabelled = [] if split == "test" else [frame for frame in frames if not frame.label.is_file()]
        if unlabelled:
            raise CourseError(
                f"{unlabelled[0].image} has no label {unlabelled[0].label.relative_to(self.root)} (missing for "
                f"{len(unlabelled)} of {len(frames)} {split} frames): {missing_label(self)}."
            )
        return frames

    def existing_splits(self) -> list[str]:
        """Return the splits that have frames; your own data may have no test split."""
        return [split for split in SPLITS if self.list_frames(split)]

    def to_toml(self) -> str:
        """Return the description of this data set, as `open_dataset` reads it."""
        lines = [
            f"name = {_quoted(self.name)}",
            f"images = {_quoted(self.images)}",
            f"labels = {_quoted(self.labels)}",
            f"ignore = {list(self.classes.ignored)}  # values of pixels that belong to no class",
            "splits = { " + ", ".join(f"{split} = {_quoted(folder)}" for split, folder in self.splits) + " }",
        ]
        for position, name in enumerate(self.classes.names):
            lines += ["", "[[classes]]", f"name = {_quoted(name)}", f"color = {list(self.classes.colours[position])}"]
            if self.classes.values[position] != position:
                lines.append(f"value = {self.classes.values[position]}")
            if self.classes.categories:
                lines.append(f"category = {_quoted(self.classes.categories[position])}")
        for title, rows in (("groups", self.classes.groups), ("annotations", self.annotations)):
            if rows:
                lines += ["", f"[{title}]", *(f"{_quoted(key)} = {_value(value)}" for key, value in rows)]
        return "\n".join(lines) + "\n"

    def save(self) -> Path:
        """Write the description to `dataset.toml` in the root and return its path."""
        write_text(self.root / DESCRIPTION, self.to_toml())
        return self.root / DESCRIPTION


def open_dataset(root: str | Path) -> Dataset:
    """Open the data set in `root`, which has a `dataset.toml` or the layout of Cityscapes.

    Raise CourseError if it does not exist, has neither, its description is invalid, or it is incomplete because the
    command that writes it was interrupted.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise CourseError(
            f"No data at {root}: set DATA_ROOT or $CITYSCAPES_DATASET to a folder that contains {DESCRIPTION}, or "
            "leftImg8bit/ and gtFine/, or use the profile smoke or mini, which generates its own data."
        )
    check_finished(root)
    if (root / DESCRIPTION).is_file():
        return read_description(root / DESCRIPTION, root)
    missing = [name for name in ("leftImg8bit", "gtFine") if not (root / name).is_dir()]
    if missing:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
        raise CourseError(
            f"{root} has no {DESCRIPTION} and does not have the Cityscapes layout: {' and '.join(missing)} missing, "
            f"found {found}; pass the folder that contains them, or import your data with `python -m helpers.datasets "
            f"import {root} --to data/mine`."
        )
    return replace(read_description(CITYSCAPES, root), name=root.resolve().name)


def find_dataset(data_root: str | Path, default: Path) -> Dataset:
    """Open the data set in `data_root` if given, else in $CITYSCAPES_DATASET, else in `default`."""
    return open_dataset(data_root or os.environ.get("CITYSCAPES_DATASET") or default)


def read_description(path: Path, root: Path) -> Dataset:
    """Read a description of the data set in `root`. Raise CourseError if it is not valid, with the key."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} is not valid TOML ({error}): correct it.") from error
    try:
        return _parse(content, root)
    except CourseError as error:
        raise CourseError(f"{path}: {error}") from None


def check_finished(root: Path) -> None:
    """Raise CourseError if the command that writes the data set in `root` was interrupted."""
    if not (root / UNFINISHED).exists():
        return
    command = root / UNFINISHED / COMMAND
    again = f"`{command.read_text(encoding='utf-8', errors='replace').strip()}`" if command.is_file() else "the command"
    raise CourseError(f"{root} is incomplete, because writing it was interrupted: run {again} again to resume.")


def missing_label(dataset: Dataset) -> str:
    """Return what to do about a missing label."""
    if "labelIds" in dict(dataset.annotations):
        return f"run `python -m helpers.cityscapes prepare {dataset.root}` to create the missing labels"
    return "add the label or remove the image"


def _parse(content: dict[str, Any], root: Path) -> Dataset:
    for key in content:
        if key not in _KEYS:
            raise CourseError(f"Unknown key {key!r}: known keys are {', '.join(_KEYS)}.")
    for key in ("name", "images", "labels", "classes"):
        if key not in content:
            raise CourseError(f"Missing key {key!r}: add it.")
    rows = content["classes"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CourseError(f"Expected [[classes]] tables with name and color, got {rows!r}.")
    for position, row in enumerate(rows):
        for key in row:
            if key not in _CLASS_KEYS:
                raise CourseError(f"Unknown key {key!r} in class {position}: known keys are {', '.join(_CLASS_KEYS)}.")
        for key in ("name", "color"):
            if key not in row:
                raise CourseError(f"Class {position} has no {key!r}: add it.")
    ignored = content.get("ignore", 255)
    splits = content.get("splits", {split: split for split in SPLITS})
    if isinstance(splits, list):
        splits = {split: split for split in splits}
    groups = content.get("groups", {})
    annotations = content.get("annotations", {})
    for key, table in (("splits", splits), ("groups", groups), ("annotations", annotations)):
        if not isinstance(table, dict):
            raise CourseError(f"Expected a table for {key!r}, got {table!r}.")
    for split in splits:
        if split not in SPLITS:
            raise CourseError(f"Unknown split {split!r}: choose from {', '.join(SPLITS)}.")
    patterns = {"images": content["images"], "labels": content["labels"], **annotations}
    for key, pattern in patterns.items():
        _check_pattern(key, pattern)
    return Dataset(
        root=root,
        name=_text("name", content["name"]),
        classes=Classes(
            names=tuple(_text("name", row["name"]) for row in rows),
            colours=tuple(_integers("color", row["color"]) for row in rows),
            values=tuple(_integer("value", row.get("value", position)) for position, row in enumerate(rows)),
            ignored=_integers("ignore", ignored if isinstance(ignored, list) else [ignored]),
            categories=tuple(_text("category", row["category"]) for row in rows if "category" in row),
            groups=tuple((name, tuple(_text(name, each) for each in members)) for name, members in groups.items()),
        ),
        images=content["images"],
        labels=content["labels"],
        splits=tuple((split, _text("splits", folder)) for split, folder in splits.items()),
        annotations=tuple(annotations.items()),
    )


def _check_pattern(key: str, pattern: Any) -> None:
    text = _text(key, pattern)
    rest = re.sub(r"\{(split|group|stem)\}", "", text)
    last = text.rsplit("/", 1)[-1]
    if (
        "{stem}" not in last
        or text.count("{stem}") != 1
        or text.count("{group}") > 1
        or set("{}*") & set(rest.removesuffix(".*") if key == "images" else rest)
    ):
        raise CourseError(
            f'Expected a path for {key!r} such as "{key}/{{split}}/{{group}}/{{stem}}.png", got {text!r}: use the '
            "placeholders {split}, {group} and {stem}, the last one in the file name."
        )
    if text.startswith("/") or ".." in text.split("/"):
        raise CourseError(f"Expected a path below the data set's folder for {key!r}, got {text!r}.")


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise CourseError(f"Expected text for {key!r}, got {value!r}.")
    return value


def _integer(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise CourseError(f"Expected a whole number for {key!r}, got {value!r}.")
    return value


def _integers(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise CourseError(f"Expected a list of whole numbers for {key!r}, got {value!r}.")
    return tuple(_integer(key, each) for each in value)


def _find(folder: Path, parts: list[str], fields: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the files that match the parts of a path, with the values of their placeholders.

    Hidden files are ignored, as macOS leaves ones called ._name.png. Suffixes match in any case: cameras write .PNG.
    """
    part, rest = parts[0], parts[1:]
    if rest and "{" not in part:
        yield from _find(folder / part, rest, fields)
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    expression = _expression(part, fields)
    for entry in entries:
        match = None if entry.name.startswith(".") else expression.fullmatch(entry.name)
        if match is None or entry.is_dir() != bool(rest):
            continue
        found = {**fields, **match.groupdict()}
        if rest:
            yield from _find(folder / entry.name, rest, found)
        else:
            yield folder / entry.name, found


def _expression(part: str, fields: dict[str, str]) -> re.Pattern:
    """Return the pattern of a folder or file name; its suffix matches in any case."""
    name, dot, suffix = part.rpartition(".") if "." in part else (part, "", "")
    text = re.escape(name)
    for placeholder in ("group", "stem"):
        known = fields.get(placeholder)
        value = f"(?P<{placeholder}>.+)" if known is None else re.escape(known)
        text = text.replace(re.escape("{" + placeholder + "}"), value)
    suffixes = "|".join(IMAGE_SUFFIXES) if suffix == "*" else re.escape(suffix)
    return re.compile(f"{text}{re.escape(dot)}(?i:{suffixes})")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # a TOML string escapes like JSON


def _value(value: str | tuple[str, ...]) -> str:
    return _quoted(value) if isinstance(value, str) else "[" + ", ".join(map(_quoted, value)) + "]"
