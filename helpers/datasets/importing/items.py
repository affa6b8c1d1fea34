"""The pieces that every source is made of: an image with the label that belongs to it, and what a label draws."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from helpers.common.os_errors import as_course_error
from helpers.datasets.pictures import SUFFIXES, UNREADABLE


class Unusable(Exception):
    """A frame that is skipped; the message is the reason."""


class Skipped(NamedTuple):
    """A file that was not imported, and why."""

    file: str
    reason: str


class Key(NamedTuple):
    """What a pixel means in the source, before the classes are known.

    A polygon has a `name` (None for pixels that no polygon covers), a pixel of a grey mask a `value`, of an RGB mask a
    `colour`, and of a paletted mask both.
    """

    name: str | None = None
    value: int | None = None
    colour: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        if self.value is None and self.colour is None:
            return self.name or "no polygon"
        return f"the value {self.value}" if self.value is not None else f"the colour {self.colour}"


NOTHING = Key()  # a pixel that no polygon covers
IGNORED = Key(name="\0ignored")  # a pixel that a shape marks as ignored


@dataclass(frozen=True)
class Drawn:
    """A label in the terms of its source: `pixels` are positions in `keys`, uint8 or uint16 (H, W)."""

    keys: tuple[Key, ...]
    pixels: np.ndarray
    notes: tuple[str, ...] = ()


class Label(Protocol):
    """Where a label comes from. Workers receive it, so it can be pickled."""

    @property
    def file(self) -> Path:
        """The file that a message names."""

    def draw(self, height: int, width: int, orientation: int) -> Drawn:
        """Draw the label for an upright image of this size; `orientation` is that of its EXIF data.

        Raise Unusable if the label does not fit.
        """


@dataclass(frozen=True)
class Item:
    """An image and its label (None only in a test split). `group` is its folder in the source, "" for none."""

    image: Path | bytes
    stem: str
    label: Label | None
    split: str | None = None
    group: str = ""

    @property
    def file(self) -> Path:
        """The file that a message names."""
        return self.image if isinstance(self.image, Path) else self.label.file


@dataclass
class Source:
    """What was found in a source: items, skipped files, and classes it declares itself (a table in `classes`)."""

    kind: str
    items: list[Item]
    skipped: list[Skipped] = field(default_factory=list)
    classes: Path | list | None = None
    names: tuple[str, ...] = ()  # declared classes of polygons, in their order
    notes: list[str] = field(default_factory=list)


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


def clean_name(name: str) -> str:
    """Return the name of a class on one line, without surrounding space; ? for what UTF-8 cannot encode."""
    return " ".join(name.split()).encode("utf-8", "replace").decode("utf-8")
