"""Read tables of classes: names with colours or values, in the common forms of text, CSV, JSON and TOML files."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from helpers.common.errors import CourseError
from helpers.datasets.classes import Classes
from helpers.datasets.importing.items import Unusable, load_json

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LONGEST = 500  # characters of a line
# Files with the classes of masks that are found without being named.
KNOWN_FILES = (
    "labelmap.txt",
    "class_dict.csv",
    "_classes.csv",
    "label_colors.txt",
    "classes.toml",
    "classes.json",
    "classes.csv",
    "classes.txt",
    "codes.txt",
    "labels.txt",
)


class Row(NamedTuple):
    """A class of a table; its colour and its value in masks if the table has them."""

    name: str
    colour: tuple[int, int, int] | None = None
    value: int | None = None


def find_table(source: Path) -> Path | None:
    """Return a table of classes that lies in the source or in one of its folders."""
    if not source.is_dir():
        return None
    for folder in (source, *sorted(each for each in source.iterdir() if each.is_dir())):
        names = {path.name.lower(): path for path in folder.iterdir() if path.is_file()}
        for name in KNOWN_FILES:
            if name in names:
                return names[name]
    return None


def read_table(classes: Path | str | Classes | Iterable[str]) -> list[Row]:
    """Return the rows of a table: a file, a `Classes`, or a list of names. Raise CourseError if it is not valid."""
    if isinstance(classes, Classes):
        return [Row(*row) for row in zip(classes.names, classes.colours, classes.values, strict=True)]
    if not isinstance(classes, (str, Path)):
        return _checked([Row(str(name)) for name in classes], "the list of classes")
    path = Path(classes).expanduser()
    readers = {".json": _json, ".toml": _toml, ".csv": _csv}
    try:
        rows = readers.get(path.suffix.lower(), _text)(path)
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}): check --classes."
        ) from error
    except Unusable as error:
        raise CourseError(f"{path} {error}: correct it.") from error
    return _checked(rows, str(path))


def _checked(rows: list[Row], what: str) -> list[Row]:
    if not rows:
        raise CourseError(f"Expected the names of classes in {what}, found none: write one class a line.")
    for name in ("name", "colour", "value"):
        seen: dict[Any, Row] = {}
        for row in rows:
            given = getattr(row, name)
            if given is None:
                continue
            other = seen.setdefault(given, row)
            if other is not row:
                hint = "give them different names, which --rename can merge" if name == "name" else "change one"
                raise CourseError(f"{what} has the {name} {given!r} twice, for {other.name} and {row.name}: {hint}.")
    for row in rows:
        if row.value is not None and not 0 <= row.value <= 255:
            raise CourseError(f"Expected values from 0 to 255 in {what}, got {row.value} for {row.name}: correct it.")
        if row.colour is not None and not all(0 <= channel <= 255 for channel in row.colour):
            raise CourseError(f"Expected colours from 0 to 255 in {what}, got {row.colour} for {row.name}: correct it.")
    return rows


def _lines(path: Path) -> list[tuple[int, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith(("#", "//"))]


def _text(path: Path) -> list[Row]:
    rows = []
    for number, line in _lines(path):
        if len(line) > LONGEST:
            raise Unusable(f"has a line {number} of {len(line)} characters, which names no class")
        labelmap = re.fullmatch(r"([^:]+):(?:(\d+),(\d+),(\d+))?(?::.*)?", line)  # CVAT: name:r,g,b:parts:actions
        colour_first = re.fullmatch(r"(\d+)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;]+(\D.*)", line)  # CamVid: r g b name
        colour_last = re.fullmatch(r"(?=.*[^\s\d,;])(.*?)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;]+(\d+)", line)
        value_first = re.fullmatch(r"(\d+)(?:\s*[:,;=]\s*|\s+)(\D.*)", line)
        value_last = re.fullmatch(r"(.*\w)\s*[:,;=\t]\s*(\d+)", line)
        if labelmap and labelmap[2] or (labelmap and path.name.lower() == "labelmap.txt"):
            colour = tuple(map(int, labelmap.groups()[1:])) if labelmap[2] else None
            rows.append(Row(labelmap[1].strip(), colour))
        elif colour_first:
            rows.append(Row(colour_first[4].strip(), tuple(int(each) for each in colour_first.groups()[:3])))
        elif colour_last:
            rows.append(Row(colour_last[1].strip(), tuple(int(each) for each in colour_last.groups()[1:])))
        elif value_last:
            rows.append(Row(value_last[1].strip(), value=int(value_last[2])))
        elif value_first:
            rows.append(Row(value_first[2].strip(), value=int(value_first[1])))
        elif line.isdigit():
            raise Unusable(f"has only a number in line {number}, {line!r}")
        else:
            rows.append(Row(line))
    return rows


def _csv(path: Path) -> list[Row]:
    lines = path.read_bytes().decode("utf-8-sig").splitlines()
    try:
        dialect = csv.Sniffer().sniff("\n".join(lines[:5]), ",;\t")
    except csv.Error:
        dialect = csv.excel
    cells = [[cell.strip() for cell in row] for row in csv.reader(lines, dialect) if any(cell.strip() for cell in row)]
    if not cells:
        return []
    head = [cell.lower() for cell in cells[0]]
    find = lambda *names: next((head.index(name) for name in names if name in head), None)  # noqa: E731
    name = find("name", "class", "class_name", "label", "category")
    if name is None:
        return _text(path)
    channels = [find("r", "red"), find("g", "green"), find("b", "blue")]
    value = find("value", "id", "train_id", "trainid", "index", "class_id", "pixel value")
    rows = []
    for number, row in enumerate(cells[1:], 2):
        try:
            colour = None if None in channels else tuple(int(row[channel]) for channel in channels)
            rows.append(Row(row[name], colour, None if value is None else int(row[value])))
        except (ValueError, IndexError):
            raise Unusable(f"has a row {number} that does not fit its head {','.join(head)}: {','.join(row)}") from None
    return rows


def _json(path: Path) -> list[Row]:
    content = load_json(path)
    if isinstance(content, dict) and isinstance(content.get("classes", content.get("labels")), (list, dict)):
        content = content.get("classes", content.get("labels"))
    if isinstance(content, dict):
        pairs = list(content.items())
        if pairs and all(key.isdigit() for key in content):  # {"0": "road"}, as most exporters write it
            pairs = [(name, int(value)) for value, name in pairs]
        return [_row({"name": name, ("value" if isinstance(value, int) else "color"): value}) for name, value in pairs]
    if not isinstance(content, list):
        raise Unusable("is neither a list of classes nor an object")
    return [_row({"name": each} if isinstance(each, str) else each) for each in content]


def _toml(path: Path) -> list[Row]:
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"is not valid TOML ({error})") from error
    rows = content.get("classes", content.get("names", content))
    if isinstance(rows, dict):
        rows = [{"name": name, ("value" if isinstance(value, int) else "color"): value} for name, value in rows.items()]
    if not isinstance(rows, list):
        raise Unusable("has no list of classes")
    return [_row({"name": each} if isinstance(each, str) else each) for each in rows]


def _row(entry: Any) -> Row:
    """Return a row from {"name": ..., "color": [r, g, b] or "#rrggbb", "value" or "id": n}."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
        raise Unusable(f"has an entry without a name, {str(entry)[:80]!r}")
    colour = entry.get("color", entry.get("colour"))
    if isinstance(colour, str) and re.fullmatch(r"#?[0-9a-fA-F]{6}", colour):
        colour = tuple(bytes.fromhex(colour.removeprefix("#")))
    value = next((entry[key] for key in ("value", "id", "trainId") if entry.get(key) is not None), None)
    whole = lambda number: isinstance(number, int) and not isinstance(number, bool)  # noqa: E731
    if colour is not None and not (isinstance(colour, (list, tuple)) and len(colour) == 3 and all(map(whole, colour))):
        raise Unusable(f"has the colour {str(colour)[:40]!r} for {entry['name']}, not three numbers or #rrggbb")
    if value is not None and not whole(value):
        raise Unusable(f"has the value {str(value)[:40]!r} for {entry['name']}, not a whole number")
    return Row(entry["name"].strip(), None if colour is None else tuple(colour), value)
