"""A data set: where its files are and which classes it has, as described by `dataset.toml` in its root."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import write_text
from helpers.datasets import description
from helpers.datasets.classes import Classes
from helpers.datasets.description import SPLITS
from helpers.datasets.finding import example_image, find_files

DESCRIPTION = "dataset.toml"
UNFINISHED = ".unfinished"  # folder in the root while a command writes the data set
COMMAND = "command"  # file in that folder: the command to run again
CITYSCAPES = Path(__file__).with_name("cityscapes.toml")  # for folders in its layout without a description


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
        found = sorted(find_files(self.root, self.images.replace("{split}", folder)))
        frames = [Frame(self, split, group, stem, path) for group, stem, path in found]
        labels = {frame.label for frame in frames}  # they look like images if they lie next to them
        return [frame for frame in frames if frame.image not in labels]

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
            raise CourseError(self._no_frames(split))
        for stem, count in Counter(frame.stem for frame in frames).items():
            if count > 1:
                paths = " and ".join(str(each.image.relative_to(self.root)) for each in frames if each.stem == stem)
                raise CourseError(f"The stem {stem} occurs in {paths}: rename one, stems must be unique in a split.")
        for frame in frames:
            if frame.image.is_symlink() and not frame.image.exists():
                raise CourseError(f"{frame.image} is a link to a missing file: restore that file or remove the link.")
        unlabelled = [] if split == "test" else [frame for frame in frames if not frame.label.is_file()]
        if unlabelled:
            raise CourseError(
                f"{unlabelled[0].image} has no label {unlabelled[0].label.relative_to(self.root)} (missing for "
                f"{len(unlabelled)} of {len(frames)} {split} frames): {missing_label(unlabelled[0])}."
            )
        return frames

    def _no_frames(self, split: str) -> str:
        folder = dict(self.splits).get(split)
        if folder is None:
            known = ", ".join(name for name, _ in self.splits)
            return f"{self.name} has no {split} frames, only {known}: add the split to {self.root / DESCRIPTION}."
        other = example_image(self.root, self.images.replace("{split}", folder))
        found = f", found {other.relative_to(self.root)}" if other else ""
        expected = self.images.format(split=folder, group="<group>", stem="<stem>")
        return (
            f"No {split} frames in {self.root}: expected images like {expected}{found}; correct the names or folders."
        )

    def existing_splits(self) -> list[str]:
        """Return the splits that have frames; your own data may have no test split."""
        return [split for split in SPLITS if self.list_frames(split)]

    def to_toml(self) -> str:
        """Return the description of this data set, as `open_dataset` reads it."""
        return description.describe(self)

    def save(self) -> Path:
        """Write the description to `dataset.toml` in the root and return its path."""
        write_text(self.root / DESCRIPTION, self.to_toml())
        return self.root / DESCRIPTION


def open_dataset(root: str | Path) -> Dataset:
    """Open the data set in `root`, which has a `dataset.toml` or the layout of Cityscapes.

    Raise CourseError if it does not exist, has neither, its description is invalid, or it is incomplete because the
    command that writes it was interrupted.
    """
    root = expand(root)
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
        return Dataset(root=root, **description.parse(path.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not a text file in UTF-8 ({error}): save it as UTF-8.") from error
    except CourseError as error:
        raise CourseError(f"{path}: {error}") from error


def check_finished(root: Path) -> None:
    """Raise CourseError if the command that writes the data set in `root` was interrupted."""
    if not (root / UNFINISHED).exists():
        return
    command = root / UNFINISHED / COMMAND
    again = f"`{command.read_text(encoding='utf-8', errors='replace').strip()}`" if command.is_file() else "the command"
    raise CourseError(f"{root} is incomplete, because writing it was interrupted: run {again} again to resume.")


def missing_label(frame: Frame) -> str:
    """Return what to do about the missing label of a frame."""
    label = frame.label
    if label.is_symlink():
        return "it is a link to a missing file, so restore that file or remove link and image"
    other = next((path for path in label.parent.glob("*") if path.name.lower() == label.name.lower()), None)
    if other is not None:
        return f"rename {other.name}, which differs in case"
    if "labelIds" in dict(frame.dataset.annotations):
        return f"run `python -m helpers.cityscapes prepare {frame.dataset.root}` to create the missing labels"
    return "add the label or remove the image"


def expand(path: str | Path) -> Path:
    """Replace ~ by the home folder, unless there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
