"""Find files by a path with placeholders, such as `images/{split}/{group}/{stem}.*`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.common.os_errors import as_course_error
from helpers.datasets.pictures import SUFFIXES, UNREADABLE

PLACEHOLDERS = ("split", "group", "stem")


def find_files(root: Path, pattern: str) -> Iterator[tuple[str, str, Path]]:
    """Yield (group, stem, path) of the files below `root` that match a path with {group} and {stem}.

    The group is "" if the path has no {group}. The suffix matches in any case, since cameras write .PNG, and ".*"
    matches any image format. Hidden files are ignored, such as the ._name.png of macOS. Links are followed. Raise
    CourseError if a folder may not be read.
    """
    for path, found in _find(root, pattern.split("/"), {}):
        yield found.get("group", ""), found["stem"], path


def example_image(root: Path, pattern: str) -> Path | None:
    """Return an image in or near the folder of `pattern`, to show how its path differs; None if there is none."""
    folder = root / pattern.split("{", 1)[0].rpartition("/")[0]
    while not folder.is_dir() and folder != root:
        folder = folder.parent
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES + UNREADABLE):
                return Path(path) / name
    return None


def _find(folder: Path, parts: list[str], fields: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    part, rest = parts[0], parts[1:]
    if rest and "{" not in part:
        yield from _find(folder / part, rest, fields)
        return
    expression = _expression(part, fields)
    for name, is_folder in _entries(folder):
        match = expression.fullmatch(name)
        if match is None or is_folder != bool(rest):
            continue
        found = {**fields, **match.groupdict()}
        if rest:
            yield from _find(folder / name, rest, found)
        else:
            yield folder / name, found


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Return name and whether it is a folder for everything in `folder` that is not hidden, sorted."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda each: each.name)
            # Path.is_dir is False for a link that leads back to itself; DirEntry.is_dir raises an error.
            return [(each.name, Path(each).is_dir() if each.is_symlink() else each.is_dir()) for each in visible]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise as_course_error(error, folder) from error


def _expression(part: str, fields: dict[str, str]) -> re.Pattern:
    """Return the regular expression of a file or folder name; its suffix matches in any case."""
    name, dot, suffix = part.rpartition(".") if "." in part else (part, "", "")
    text = re.escape(name)
    for placeholder in ("group", "stem"):
        known = fields.get(placeholder)
        value = f"(?P<{placeholder}>.+)" if known is None else re.escape(known)
        text = text.replace(re.escape("{" + placeholder + "}"), value)
    ends = SUFFIXES if suffix == "*" else (dot + suffix,)
    return re.compile(f"{text}(?i:{'|'.join(map(re.escape, ends))})", re.DOTALL)
