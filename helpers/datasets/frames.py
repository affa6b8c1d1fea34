"""Read frames: images, labels and other PNG files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from helpers.common.errors import CourseError
from helpers.common.os_errors import as_course_error
from helpers.datasets import png
from helpers.datasets.dataset import Frame
from helpers.datasets.pictures import read_picture

_RESTORE = "unpack or download it again"


def read_image(frame: Frame) -> np.ndarray:
    """Read the image, uint8 (H, W, 3) RGB. Raise CourseError if the file is missing or damaged."""
    if frame.image.suffix.lower() == ".png":
        return cv2.cvtColor(read_png(frame.image, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return read_picture(frame.image)


def read_label(frame: Frame) -> np.ndarray:
    """Read the label as train ids, uint8 (H, W); ignored pixels are 255.

    Raise CourseError if the file is missing or damaged, is not an 8-bit grey or a paletted image, or has a value that
    is neither a class nor ignored.
    """
    return to_train_ids(frame, read_values(frame))


def read_values(frame: Frame) -> np.ndarray:
    """Read the values of the label file, uint8 (H, W), of a paletted image the indices.

    Raise CourseError if the file is missing or damaged, or is not an 8-bit grey or a paletted image.
    """
    remedy = _correct_label(frame)
    data = read_bytes(frame.label)
    with name_file(frame.label, remedy):
        header = png.parse_header(data[:33].tobytes())
        label = png.decode(data)
    if header.kind.endswith("paletted"):
        label = _read_indices(data, frame.label, remedy)
    elif header.kind != "8-bit grey":
        raise CourseError(f"{frame.label} is {header.kind}, but labels must be 8-bit grey or paletted: {remedy}.")
    return label


def to_train_ids(frame: Frame, label: np.ndarray) -> np.ndarray:
    """Convert the values of a label file, uint8 (H, W), to train ids. Raise CourseError for a value without meaning."""
    classes = frame.dataset.classes
    counts = np.bincount(label.ravel(), minlength=256)
    invalid = np.flatnonzero((counts > 0) & ~classes.valid)
    if invalid.size:
        raise CourseError(
            f"{frame.label} has the value {invalid[0]} in {counts[invalid[0]]} of {label.size} pixels, which is not a "
            f"class of {frame.dataset.name} ({_known_values(frame)}): {_correct_label(frame)}."
        )
    return label if classes.stored_as_train_ids else classes.lookup[label]


def read_pair(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Read image and label, see `read_image` and `read_label`. Raise CourseError if their sizes differ."""
    image, label = read_image(frame), read_label(frame)
    if image.shape[:2] != label.shape:
        raise CourseError(
            f"{frame.label} has {label.shape[1]} x {label.shape[0]} pixels, but its image has {image.shape[1]} x "
            f"{image.shape[0]}: take both from the same release, or create the label again from the full image."
        )
    return image, label


def class_pixels(frames: list[Frame]) -> np.ndarray:
    """Count the pixels of each class in `frames`, int64 (classes,), without ignored pixels.

    Raise CourseError if there are no frames.
    """
    if not frames:
        raise CourseError("Expected at least one frame, got an empty list: check the split.")
    count = len(frames[0].dataset.classes)
    total = np.zeros(count, dtype=np.int64)
    for frame in frames:
        total += np.bincount(read_label(frame).ravel(), minlength=256)[:count]
    return total


def read_png(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """Read and decode a PNG file, channels in OpenCV's order. Raise CourseError if it is missing or damaged."""
    with name_file(path):
        return png.decode(read_bytes(path), flags)


def read_bytes(path: Path) -> np.ndarray:
    """Read a file as uint8 (bytes,). Raise CourseError if it is missing."""
    try:
        return np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: {_RESTORE}.") from None
    except OSError as error:
        raise as_course_error(error, path) from error


@contextmanager
def name_file(path: Path, remedy: str = _RESTORE) -> Iterator[None]:
    """Turn a PngError raised in the block into a CourseError that names `path` and ends with `remedy`."""
    try:
        yield
    except png.PngError as error:
        raise CourseError(f"{path} {error}: {remedy}.") from error


def _read_indices(data: np.ndarray, path: Path, remedy: str) -> np.ndarray:
    """Return the indices of a paletted PNG, uint8 (H, W); OpenCV returns the colours."""
    try:
        with Image.open(io.BytesIO(data.tobytes()), formats=("PNG",)) as image:
            return np.asarray(image)
    except Exception as error:  # Pillow's reader of damaged files raises almost everything
        raise CourseError(f"{path} is damaged ({error}): {remedy}.") from error


def _known_values(frame: Frame) -> str:
    classes = frame.dataset.classes
    values, ignored = sorted(classes.values), ", ".join(map(str, classes.ignored))
    consecutive = values == list(range(values[0], values[-1] + 1))
    text = f"{values[0]} to {values[-1]}" if consecutive else ", ".join(map(str, values))
    return f"{text}, or {ignored} for ignored pixels" if ignored else text


def _correct_label(frame: Frame) -> str:
    if "labelIds" in dict(frame.dataset.annotations):
        return (
            f"it may contain label ids; remove it and run `python -m helpers.cityscapes prepare {frame.dataset.root}` "
            "to create it again"
        )
    return f"correct it, or the classes in {frame.dataset.root / 'dataset.toml'}"
