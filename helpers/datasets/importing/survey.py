"""Look at every image and label of a source before anything is written: sizes, keys, damage."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.common.errors import CourseError
from helpers.common.os_errors import readable
from helpers.common.parallel import in_processes
from helpers.datasets.importing.items import Item, Key, Skipped, Unusable
from helpers.datasets.importing.mapping import Found
from helpers.datasets.importing.masks import orientation_of
from helpers.datasets.pictures import read_picture

_PLAIN = {"PNG": ("L", "RGB", "P"), "JPEG": ("L", "RGB")}


@dataclass(frozen=True)
class Seen:
    """An item that can be imported: the pixels of each key, and whether its image can be copied as it is."""

    item: Item
    pixels: dict[Key, int]
    size: tuple[int, int]  # height, width
    orientation: int
    plain: bool
    notes: tuple[str, ...] = ()


def survey(items: Sequence[Item], workers: int | None = None) -> tuple[list[Seen], list[Skipped]]:
    """Read all images and labels, in worker processes. Return the usable items in their order, and the others."""
    parts = in_processes(look_at, list(enumerate(items)), workers=workers, desc="reading")
    results = [result for _, result in sorted((each for part in parts for each in part), key=itemgetter(0))]
    seen = [each for each in results if isinstance(each, Seen)]
    return seen, [each for each in results if isinstance(each, Skipped)]


def count(seen: Sequence[Seen]) -> dict[Key, Found]:
    """Add up the pixels of each key."""
    found: dict[Key, Found] = {}
    for each in seen:
        for key, pixels in each.pixels.items():
            entry = found.setdefault(key, Found(0, 0, str(each.item.label.file)))
            entry.pixels += pixels
            entry.frames += 1
    return found


def look_at(numbered: Sequence[tuple[int, Item]]) -> list[tuple[int, Seen | Skipped]]:
    """Look at some items; what a worker does."""
    return [(place, _look_at(item)) for place, item in numbered]


def _look_at(item: Item) -> Seen | Skipped:
    try:
        str(item.file).encode("utf-8")
    except UnicodeEncodeError:
        return Skipped(readable(item.file), "has a name that is not UTF-8: rename it")
    try:
        image = read_picture(item.image, str(item.file))
        orientation, plain = _kind(item)
    except CourseError as error:
        return Skipped(str(item.file), str(error).removeprefix(f"{item.file} ").rstrip("."))
    if item.label is None:
        return Seen(item, {}, image.shape[:2], orientation, plain)
    try:
        drawn = item.label.draw(*image.shape[:2], orientation)
    except Unusable as error:
        return Skipped(str(item.label.file), str(error))
    counts = np.bincount(drawn.pixels.ravel(), minlength=len(drawn.keys))
    pixels = {key: int(number) for key, number in zip(drawn.keys, counts, strict=True) if number}
    return Seen(item, pixels, image.shape[:2], orientation, plain, drawn.notes)


def _kind(item: Item) -> tuple[int, bool]:
    """Return the EXIF orientation, and whether the file can be copied: 8-bit PNG or JPEG that needs no turning."""
    source = io.BytesIO(item.image) if isinstance(item.image, bytes) else item.image
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(source) as picture:  # `read_picture` has accepted its format
            orientation = orientation_of(picture)
            plain = picture.mode in _PLAIN.get(picture.format, ()) and "transparency" not in picture.info
            return orientation, plain and orientation == 1 and isinstance(item.image, Path)
