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
from helpers.datasets.importing.items import Unusable
from helpers.datasets.importing.reading import load_json, read_text, text_lines

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LONGEST = 500  # characters of a line
# Files with the classes of masks that are found without being named.
KNOWN_FILES = (
    "labelmap.txt class_dict.csv _classes.csv label_colors.txt classes.toml classes.json classes.csv classes.txt "
    "codes.txt labels.txt"
).split()
# Lines of a text file; the first form that fits counts.
_FORMS = [
    re.compile(form)
    for form in (
        r"(?P<name>[^:]+):(?P<colour>\d+,\d+,\d+)?:.*",  # CVAT: name:r,g,b:parts:actions
        r"(?P<colour>\d+[\s,;]+\d+[\s,;]+\d+)[\s,;]+(?P<name>\D.*)",  # CamVid: r g b name
        r"(?=.*[^\s\d,;])(?P<name>.*?)[\s,;]+(?P<colour>\d+[\s,;]+\d+[\s,;]+\d+)",
        r"(?P<name>.*\w)\s*[:,;=\t]\s*(?P<value>\d+)",
        r"(?P<value>\d+)(?:\s*[:,;=]\s*|\s+)(?P<name>\D.*)",
        r"(?P<name>.*\D.*)",
    )
]


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
        return _checked(readers.get(path.suffix.lower(), _text)(path), str(path))
    except Unusable as error:
        raise CourseError(f"{path} {error}: correct it.") from error


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


def _text(path: Path) -> list[Row]:
    rows = []
    for number, line in text_lines(path):
        if len(line) > LONGEST:
            raise Unusable(f"has a line {number} of {len(line)} characters, which names no class")
        found = next(filter(None, (form.fullmatch(line) for form in _FORMS)), None)
        if found is None:
            raise Unusable(f"has only a number in line {number}, {line!r}")
        parts = {"colour": None, "value": None, **found.groupdict()}
        colour = tuple(map(int, re.findall(r"\d+", parts["colour"]))) if parts["colour"] else None
        rows.append(Row(parts["name"].strip(), colour, None if parts["value"] is None else int(parts["value"])))
    return rows


def _csv(path: Path) -> list[Row]:
    lines = read_text(path).splitlines()
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
    return _entries(load_json(path))


def _toml(path: Path) -> list[Row]:
    try:
        return _entries(tomllib.loads(read_text(path)))
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"is not valid TOML ({error})") from error


def _entries(content: Any) -> list[Row]:
    """Return the rows of a list of names or tables, of {"road": colour or value}, or of {"0": "road"}."""
    if isinstance(content, dict):
        inner = next((content[key] for key in ("classes", "labels", "names") if key in content), None)
        content = inner if isinstance(inner, (list, dict)) else content
    if isinstance(content, dict):
        if all(key.isdecimal() for key in content):  # as most exporters write it
            content = [{"name": name, "value": int(value)} for value, name in content.items()]
        else:
            key = lambda each: "value" if isinstance(each, int) else "color"  # noqa: E731
            content = [{"name": name, key(each): each} for name, each in content.items()]
    if not isinstance(content, list):
        raise Unusable("is neither a list of classes nor an object")
    return [_row({"name": each} if isinstance(each, str) else each) for each in content]


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
