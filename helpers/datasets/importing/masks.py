"""Read label images: grey values, palette indices or colours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import ExifTags, Image, ImageOps

from helpers.datasets.importing.items import Drawn, Key, Unusable

FORMATS = ("PNG", "BMP", "TIFF", "GIF", "PPM", "WEBP", "JPEG")
MOST_COLOURS = 1024  # in one mask; more are a photograph, JPEG, or smoothed edges


@dataclass(frozen=True)
class Mask:
    """A label image."""

    file: Path

    def draw(self, height: int, width: int, orientation: int = 1) -> Drawn:
        """Read the mask; one drawn on the pixels as stored in the file is turned upright like its image."""
        picture = _open(self.file)
        notes = ()
        if orientation_of(picture) == 1 != orientation and picture.size == (height, width) != (width, height):
            picture.getexif()[ExifTags.Base.Orientation] = orientation
            notes = ("mask turned upright like its image",)
        if orientation_of(picture) != 1:
            picture = ImageOps.exif_transpose(picture)
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
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow's readers raise almost everything, from struct.error to KeyError
        return 1
    return orientation if orientation in range(2, 9) else 1


def _keys(picture: Image.Image, notes: tuple[str, ...]) -> Drawn:
    if picture.mode == "P":
        palette = np.zeros((256, 3), int)
        colours = np.reshape(picture.getpalette("RGB") or [], (-1, 3))[:256]
        palette[: len(colours)] = colours
        keys = tuple(Key(value=value, colour=tuple(colour)) for value, colour in enumerate(palette.tolist()))
        return Drawn(keys, np.asarray(picture), notes)
    if picture.mode in ("1", "L") or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 255:
            raise Unusable(f"has values up to {values.max()}, more than 255: save it as 8-bit PNG")
        return Drawn(tuple(Key(value=value) for value in range(256)), values.astype(np.uint8), notes)
    if picture.mode in ("F", "LAB", "HSV", "CMYK", "YCbCr"):
        raise Unusable(f"is of the kind {picture.mode}, which holds no labels: save it as 8-bit grey PNG")
    if "A" in picture.mode and (np.asarray(picture.getchannel("A")) < 255).any():
        raise Unusable("has transparent pixels: save it without an alpha channel")
    red, green, blue = np.asarray(picture.convert("RGB")).astype(np.int32).transpose(2, 0, 1)
    # Unlike np.unique, factorize does not sort the pixels, only the colours found.
    positions, colours = pd.factorize((red << 16 | green << 8 | blue).ravel(), sort=True)
    if len(colours) > MOST_COLOURS:
        raise Unusable(
            f"has {len(colours)} different colours: it is a photograph, or its edges are smoothed, or it was saved as "
            "JPEG; export it again as PNG without smoothing"
        )
    keys = tuple(Key(colour=(one >> 16, one >> 8 & 255, one & 255)) for one in colours.tolist())
    return Drawn(keys, positions.astype(np.uint16).reshape(red.shape), notes)
