"""The text of `dataset.toml`: check and parse it, and write it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from helpers.common.errors import CourseError
from helpers.datasets.classes import Classes
from helpers.datasets.finding import PLACEHOLDERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
if TYPE_CHECKING:
    from helpers.datasets.dataset import Dataset

SPLITS = ("train", "val", "test")
_KEYS = ("name", "images", "labels", "splits", "ignore", "classes", "groups", "annotations")
_CLASS_KEYS = ("name", "color", "value", "category")


def parse(text: str) -> dict[str, Any]:
    """Return the arguments of `Dataset` except its root. Raise CourseError if the text is not a valid description."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or a number or nesting beyond Python's limits
        raise CourseError(f"Expected TOML, got an error in it ({error or 'nested too deeply'}): correct it.") from error
    _known_keys(content, _KEYS, "the description")
    for key in ("name", "images", "labels", "classes"):
        if key not in content:
            raise CourseError(f"The key {key!r} is missing: add it.")
    splits = _splits(content.get("splits", list(SPLITS)))
    paths = {"images": content["images"], "labels": content["labels"], **_table(content, "annotations")}
    _check_paths(paths, splits)
    return {
        "name": _line("name", content["name"]),
        "classes": _classes(content),
        "images": paths.pop("images"),
        "labels": paths.pop("labels"),
        "splits": tuple(splits.items()),
        "annotations": tuple(paths.items()),
    }


def describe(data: Dataset) -> str:
    """Return the description of a data set as `parse` reads it."""
    classes = data.classes
    lines = [
        f"name = {_quoted(data.name)}",
        f"images = {_quoted(data.images)}",
        f"labels = {_quoted(data.labels)}",
        f"ignore = {_numbers(classes.ignored)}  # values of pixels that belong to no class",
        "splits = { " + ", ".join(f"{split} = {_quoted(folder)}" for split, folder in data.splits) + " }",
    ]
    for position, name in enumerate(classes.names):
        lines += ["", "[[classes]]", f"name = {_quoted(name)}", f"color = {_numbers(classes.colours[position])}"]
        if classes.values[position] != position:
            lines.append(f"value = {classes.values[position]}")
        if classes.categories:
            lines.append(f"category = {_quoted(classes.categories[position])}")
    groups = [(name, "[" + ", ".join(map(_quoted, members)) + "]") for name, members in classes.groups]
    annotations = [(kind, _quoted(path)) for kind, path in data.annotations]
    for title, rows in (("groups", groups), ("annotations", annotations)):
        if rows:
            lines += ["", f"[{title}]", *(f"{_quoted(key)} = {value}" for key, value in rows)]
    return "\n".join(lines) + "\n"


def _splits(value: Any) -> dict[str, str]:
    if isinstance(value, list):
        value = {_line("splits", split): split for split in value}
    if not isinstance(value, dict) or not value:
        raise CourseError(f'Expected splits such as {{ train = "train", val = "val" }}, got {value!r}.')
    _known_keys(value, SPLITS, "'splits'")
    for split, folder in value.items():
        _check_inside(f"the split {split}", _line(split, folder))
        if set("{}*") & set(folder):
            raise CourseError(f"Expected the name of a folder for the split {split}, got {folder!r}: write it out.")
    repeated = [split for split in value if list(value.values()).count(value[split]) > 1]
    if repeated:
        raise CourseError(f"The splits {' and '.join(repeated)} have the same folder: frames must not be in both.")
    return value


def _classes(content: dict[str, Any]) -> Classes:
    rows = content["classes"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CourseError(f"Expected [[classes]] tables with name and color, got {rows!r}.")
    for position, row in enumerate(rows):
        _known_keys(row, _CLASS_KEYS, f"class {position}")
        for key in ("name", "color"):
            if key not in row:
                raise CourseError(f"Class {position} has no {key!r}: add it.")
    ignored = content.get("ignore", 255)
    return Classes(
        names=tuple(_line("name", row["name"]) for row in rows),
        colours=tuple(_integers("color", row["color"]) for row in rows),
        values=tuple(_integer("value", row.get("value", position)) for position, row in enumerate(rows)),
        ignored=_integers("ignore", ignored if isinstance(ignored, list) else [ignored]),
        categories=tuple(_line("category", row["category"]) for row in rows if "category" in row),
        groups=tuple((name, _lines(name, members)) for name, members in _table(content, "groups").items()),
    )


def _check_paths(paths: dict[str, Any], splits: dict[str, str]) -> None:
    for key, path in paths.items():
        _check_path(key, path)
    used = {key: {each for each in PLACEHOLDERS if f"{{{each}}}" in path} for key, path in paths.items()}
    if len(splits) > 1 and "split" not in used["images"]:
        raise CourseError(
            f"Expected {{split}} in the path of the images, got {paths['images']!r}: without it, every "
            "split would have the same frames."
        )
    for key, placeholders in used.items():
        for extra in sorted(placeholders - used["images"]):
            raise CourseError(
                f"The path {key!r} has {{{extra}}}, but the one of the images has not: remove it, or add it there."
            )
    if not paths["labels"].lower().endswith(".png"):
        raise CourseError(f"Expected labels in PNG files, got {paths['labels']!r}: other formats change their values.")
    if paths["labels"] == paths["images"]:
        raise CourseError(f"The paths of images and labels are both {paths['images']!r}: correct one of them.")


def _check_path(key: str, value: Any) -> None:
    path = _line(key, value)
    *folders, last = path.split("/")
    literal = re.sub(r"\{(" + "|".join(PLACEHOLDERS) + r")\}", "", path)
    suffix = last.rpartition(".")[2]
    valid = (
        "{stem}" in last
        and path.count("{stem}") == 1
        and path.count("{group}") <= 1
        and "." in last
        and (suffix.isalnum() or (key == "images" and suffix == "*"))
        and not set("{}*") & set(literal.removesuffix(".*") if key == "images" else literal)
    )
    if not valid:
        raise CourseError(
            f'Expected a path for {key!r} such as "{key}/{{split}}/{{group}}/{{stem}}.png", got {path!r}: use the '
            "placeholders {split}, {group} and {stem}, the last one in the file name."
        )
    _check_inside(repr(key), path)


def _check_inside(what: str, path: str) -> None:
    if path.startswith("/") or {"..", ".", ""} & set(path.split("/")) or set("\\\0") & set(path):
        raise CourseError(
            f"Expected a path below the folder of the data set for {what}, got {path!r}: write it with / between "
            "folders, without a / at the start and without .. in it."
        )


def _known_keys(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise CourseError(f"Unknown key {key!r} in {where}: known keys are {', '.join(known)}.")


def _table(content: dict[str, Any], key: str) -> dict[str, Any]:
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise CourseError(f"Expected a table for {key!r}, got {table!r}.")
    return table


def _line(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value.splitlines()) != 1:
        raise CourseError(f"Expected a line of text for {key!r}, got {value!r}.")
    return value


def _lines(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise CourseError(f"Expected a list of names for {key!r}, got {value!r}.")
    return tuple(_line(key, each) for each in value)


def _integer(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise CourseError(f"Expected a whole number for {key!r}, got {value!r}.")
    return value


def _integers(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise CourseError(f"Expected a list of whole numbers for {key!r}, got {value!r}.")
    return tuple(_integer(key, each) for each in value)


def _numbers(values: Iterable[int]) -> str:
    return str([int(value) for value in values])  # NumPy 2 would print np.uint8(7)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # a TOML string escapes like JSON
