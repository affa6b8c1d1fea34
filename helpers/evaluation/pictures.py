"""Read an image file of any kind as RGB, and write one."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
LARGEST = 178_956_970  # pixels; Pillow refuses more as a decompression bomb (twice Image.MAX_IMAGE_PIXELS)


def read_picture(source: str | Path | bytes, name: str = "") -> np.ndarray:
    """Read an image file, or its bytes, as uint8 RGB (H, W, 3), upright.

    The orientation in EXIF is applied, so height and width are those that viewers show. Grey becomes three equal
    channels, 16 bits become 8, and transparent pixels are blended with white. `name` is used in error messages, by
    default the path. Raises CourseError if the file is not an image, holds several images, or is too large.
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise CourseError(f"{name} cannot be read: {error.strerror or error}.") from error
    if not data:
        raise CourseError(f"{name} is empty: choose a PNG or JPEG file.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Pillow warns from half of LARGEST on
        try:
            with Image.open(io.BytesIO(data)) as picture:
                frames = getattr(picture, "n_frames", 1)
                if frames > 1:
                    raise CourseError(f"{name} is an animation of {frames} images: save one of them as PNG or JPEG.")
                picture.load()
                return np.asarray(_to_rgb(ImageOps.exif_transpose(picture), name))
        except UnidentifiedImageError as error:
            raise CourseError(f"{name} is not an image that can be read: choose a PNG or JPEG file.") from error
        except Image.DecompressionBombError as error:
            raise CourseError(f"{name} has more than {LARGEST // 10**6} million pixels: shrink it.") from error
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, CourseError):
                raise
            raise CourseError(f"{name} is damaged ({error}): copy or download the file again.") from error


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels, grey (H, W) or RGB (H, W, 3), atomically; the suffix of `path` chooses the format.

    Raises CourseError if OpenCV cannot write that format.
    """
    with atomic_path(path) as temporary:
        if not cv2.imwrite(str(temporary), pixels if pixels.ndim == 2 else pixels[..., ::-1]):
            raise CourseError(f"{path} cannot be written: the name must end in .png or .jpg.")


def _to_rgb(picture: Image.Image, name: str) -> Image.Image:
    if picture.mode.startswith("I;16") or picture.mode == "I":
        # Pillow's conversion clips such values at 255. Older versions read 16-bit grey as mode "I".
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise CourseError(f"{name} has values from {values.min()} to {values.max()}: save it with 8 or 16 bits.")
        return Image.fromarray(np.rint(values / 257).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise CourseError(f"{name} holds floating-point values: save it with 8 bits per channel.")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return picture.convert("RGB")
