"""Find and read the files of a source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.os_errors import as_course_error
from helpers.datasets.importing.items import Unusable
from helpers.datasets.pictures import SUFFIXES, UNREADABLE


def walk(root: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted, without hidden ones; links to folders are followed once."""
    seen = set()
    for folder, folders, files in os.walk(root, onerror=_raise, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise as_course_error(error)


def is_image(path: Path) -> bool:
    """Return whether the suffix is one of an image, in any case."""
    return path.suffix.lower() in (*SUFFIXES, *UNREADABLE)


def load_json(path: Path) -> Any:
    """Read a JSON file. Raise Unusable, with the reason, if it cannot be read or is not valid."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error
    except RecursionError:
        raise Unusable("is not valid JSON: it is nested too deeply") from None
    except ValueError as error:  # also UnicodeDecodeError, and whole numbers of thousands of digits
        raise Unusable(f"is not valid JSON: {error}") from error


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark. Raise CourseError if it is something else."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error.strerror or error}): check the path.") from error
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not a text file in UTF-8 ({error}): save it as UTF-8.") from error


def text_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a text file with their numbers, without blank ones and comments."""
    lines = ((number, line.strip()) for number, line in enumerate(read_text(path).splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith(("#", "//"))]


def clean_name(name: str) -> str:
    """Return the name of a class on one line, without surrounding space; ? for what UTF-8 cannot encode."""
    return " ".join(name.split()).encode("utf-8", "replace").decode("utf-8")
