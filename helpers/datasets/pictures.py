"""Read an image file of any kind as RGB, and write one."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.common.errors import CourseError
from helpers.common.files import write_bytes
from helpers.common.os_errors import explain, readable

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".mpo", ".bmp", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".gif")
UNREADABLE = (".heic", ".heif", ".hif")  # photos of phones that need a conversion; `read_picture` says how
LARGEST = 178_956_970  # pixels; Pillow refuses more as a decompression bomb (twice Image.MAX_IMAGE_PIXELS)
LARGEST_UPLOAD = 64 << 20  # bytes of an image that comes from a browser

# Pillow's other readers are not for photos, and that of EPS starts another program. JPEG includes MPO.
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "AVIF", "TIFF", "PPM", "GIF")
# Formats whose further images belong to the first one: previews and depth maps of a phone, overviews of a large image.
_FIRST_COUNTS = ("MPO", "TIFF")


def read_picture(source: str | Path | bytes, name: str = "") -> np.ndarray:
    """Read an image file, or its bytes, as uint8 RGB (H, W, 3), upright.

    The orientation in EXIF is applied, so height and width are those that viewers show. Grey becomes three equal
    channels, 16 bits become 8, and transparent pixels are blended with white. Of a photo with several images, such as
    MPO or TIFF, the first is read. `name` is used in error messages, by default the path. Raises CourseError if the
    file is not an image, is an animation, or is too large; bytes may be at most LARGEST_UPLOAD.
    """
    name = name or ("the image" if isinstance(source, bytes) else readable(source))
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise CourseError(explain(error, name) or f"{name} cannot be read: {error}.") from error
    if not data:
        raise CourseError(f"{name} is empty: choose a PNG or JPEG file.")
    if isinstance(source, bytes) and len(data) > LARGEST_UPLOAD:
        size = len(data) / 2**20
        raise CourseError(
            f"{name} has {size:.0f} MiB, more than {LARGEST_UPLOAD >> 20}: shrink it, or save it as JPEG."
        )
    if _is_heif(data):
        raise CourseError(
            f"{name} is a HEIC photo, which cannot be read here: save it as JPEG, for example with `heif-convert`, or "
            'choose "Most Compatible" in the camera settings of the phone.'
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images (Pillow warns from half of LARGEST on) and of odd metadata
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                frames = getattr(picture, "n_frames", 1)
                if frames > 1 and picture.format not in _FIRST_COUNTS:
                    raise CourseError(f"{name} is an animation of {frames} images: save one of them as PNG or JPEG.")
                picture.seek(0)
                picture.load()
                return np.asarray(_to_rgb(ImageOps.exif_transpose(picture), name))
        except CourseError:
            raise
        except UnidentifiedImageError as error:
            raise CourseError(f"{name} is not an image that can be read: choose a PNG or JPEG file.") from error
        except Image.DecompressionBombError as error:
            raise CourseError(f"{name} has more than {LARGEST // 10**6} million pixels: shrink it.") from error
        except MemoryError as error:
            raise CourseError(f"{name} does not fit into the memory: shrink it.") from error
        except Exception as error:  # Pillow's readers raise almost everything, from struct.error to KeyError
            raise CourseError(f"{name} is damaged ({error}): copy or download the file again.") from error


def encode_picture(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    """Encode uint8 pixels, grey (H, W) or RGB (H, W, 3); raise CourseError if OpenCV cannot write that format."""
    try:
        done, data = cv2.imencode(suffix, np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[..., ::-1]))
    except cv2.error:
        done = False
    if not done:
        raise CourseError(f"Expected an image to write as .png or .jpg, got {suffix or 'no suffix'}: change the name.")
    return data.tobytes()


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels, grey (H, W) or RGB (H, W, 3), atomically; the suffix of `path` chooses the format.

    Raises CourseError if OpenCV cannot write that format, the disk is full, or `path` is not writable.
    """
    write_bytes(path, encode_picture(pixels, Path(path).suffix))


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


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
