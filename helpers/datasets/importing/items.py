"""The pieces that every source is made of: an image with the label that belongs to it, and what a label draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np


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
    """Where a label comes from; `file` is what a message names. Workers receive it, so it can be pickled."""

    file: Path

    def draw(self, height: int, width: int, orientation: int) -> Drawn:
        """Draw the label for an upright image of this size and EXIF orientation. Raise Unusable if it does not fit."""


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

    def skip(self, file: Path | str, reason: object) -> None:
        """Add a skipped file."""
        self.skipped.append(Skipped(str(file), str(reason)))
