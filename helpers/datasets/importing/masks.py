"""Read label images: grey values, palette indices or colours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.datasets.importing.items import Drawn, Key, Unusable

FORMATS = ("PNG", "BMP", "TIFF", "GIF", "PPM", "WEBP", "JPEG")
MOST_COLOURS = 1024  # in one mask; more are a photograph, JPEG, or smoothed edges
TRANSPOSE = {  # EXIF orientation -> how to turn stored pixels upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Mask:
    """A label image."""

    file: Path

    def draw(self, height: int, width: int, orientation: int = 1) -> Drawn:
        """Read the mask; one drawn on the pixels as stored in the file is turned upright like its image."""
        picture = _open(self.file)
        notes = ()
        own = orientation_of(picture)
        if own in TRANSPOSE:
            picture = picture.transpose(TRANSPOSE[own])
        elif picture.size != (width, height) and orientation in TRANSPOSE and picture.size == (height, width):
            picture = picture.transpose(TRANSPOSE[orientation])
            notes = ("mask turned upright like its image",)
        if picture.size != (width, height):
            raise Unusable(
                f"has {picture.width} x {picture.height} pixels, but its image has {width} x {height}: take both from "
                "the same release, or export the mask again at the size of the image"
            )
        return _keys(picture, notes)


def _open(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(path, formats=FORMATS)
            picture.load()
        except Image.UnidentifiedImageError:
            raise Unusable("is not an image that can be read: export it as PNG") from None
        except Image.DecompressionBombError:
            raise Unusable("has too many pixels: shrink it") from None
        except Exception as error:  # see `read_picture`
            raise Unusable(f"is damaged or cannot be read ({error}): export or copy it again") from error
    return picture


def orientation_of(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1, upright, without one or if the metadata are damaged."""
    try:
        return picture.getexif().get(0x0112, 1)
    except Exception:  # Pillow's readers raise almost everything, from struct.error to KeyError
        return 1


def _keys(picture: Image.Image, notes: tuple[str, ...]) -> Drawn:
    if picture.mode == "P":
        return _paletted(picture, notes)
    if picture.mode in ("1", "L"):
        return _grey(np.asarray(picture).astype(np.uint8), notes)
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 255:
            raise Unusable(f"has values up to {values.max()}, more than 255: save it as 8-bit PNG")
        return _grey(values.astype(np.uint8), notes)
    if picture.mode in ("F", "LAB", "HSV", "CMYK", "YCbCr"):
        raise Unusable(f"is of the kind {picture.mode}, which holds no labels: save it as 8-bit grey PNG")
    if "A" in picture.mode and (np.asarray(picture.getchannel("A")) < 255).any():
        raise Unusable("has transparent pixels: save it without an alpha channel")
    return _coloured(np.asarray(picture.convert("RGB")), notes)


def _grey(values: np.ndarray, notes: tuple[str, ...]) -> Drawn:
    # The value is its own position, so nothing is looked up.
    counts = np.bincount(values.ravel(), minlength=256)
    used = np.flatnonzero(counts)
    table = np.zeros(256, dtype=np.uint16)
    table[used] = np.arange(len(used))
    keys = tuple(Key(value=int(value)) for value in used)
    return Drawn(keys, table[values], notes)


def _paletted(picture: Image.Image, notes: tuple[str, ...]) -> Drawn:
    drawn = _grey(np.asarray(picture), notes)
    palette = (picture.getpalette("RGB") or [])[: 3 * 256]
    palette += [0] * (3 * 256 - len(palette))
    colour = lambda value: tuple(palette[3 * value : 3 * value + 3])  # noqa: E731
    return Drawn(tuple(Key(value=key.value, colour=colour(key.value)) for key in drawn.keys), drawn.pixels, notes)


def _coloured(pixels: np.ndarray, notes: tuple[str, ...]) -> Drawn:
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    packed = red << 16 | green << 8 | blue
    table = _table()  # by table, ten times as fast as np.unique, which sorts
    table[packed] = 1
    colours = np.flatnonzero(table)
    table[colours] = np.arange(len(colours)) % 2**16
    positions = table[packed]
    table[colours] = 0
    if len(colours) > MOST_COLOURS:
        raise Unusable(
            f"has {len(colours)} different colours: it is a photograph, or its edges are smoothed, or it was saved as "
            "JPEG; export it again as PNG without smoothing"
        )
    keys = tuple(Key(colour=(int(one) >> 16, int(one) >> 8 & 255, int(one) & 255)) for one in colours)
    return Drawn(keys, positions, notes)


@cache
def _table() -> np.ndarray:
    """Zeros for each colour, kept for the next mask."""
    return np.zeros(1 << 24, dtype=np.uint16)
