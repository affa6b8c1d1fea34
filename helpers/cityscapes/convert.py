"""Check the files of a frame and create train ids from polygons with cityscapesScripts' own converter."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import name2label
from cityscapesscripts.preparation.json2labelImg import json2labelImg

from helpers.cityscapes.labels import INSTANCE_IDS_ALLOWED, LABEL_IDS_ALLOWED, id_to_train_id
from helpers.common.errors import CourseError
from helpers.datasets import Frame, png, read_label
from helpers.datasets.frames import name_file, read_png
from helpers.datasets.pictures import encode_picture

# Valid PNG types of each annotation. Versions of the converters write color with or without alpha.
KINDS = {
    "labelIds": ("8-bit grey",),
    "labelTrainIds": ("8-bit grey",),
    "instanceIds": ("16-bit grey",),
    "color": ("8-bit RGB with alpha", "8-bit RGB"),
}
MAX_PIXELS = 1 << 27  # a damaged header may claim any size, and decoding allocates that much memory


def check_camera_image(frame: Frame) -> png.Header:
    """Return the header of the camera image. Raise CourseError unless it is an 8-bit PNG of a plausible size."""
    header = _header(frame.image)
    if header.kind not in ("8-bit RGB", "8-bit RGB with alpha", "8-bit grey"):
        raise CourseError(f"{frame.image} is {header.kind}, but images must be 8-bit RGB: convert or remove it.")
    if not 0 < header.width * header.height <= MAX_PIXELS:
        raise CourseError(
            f"{frame.image} has an implausible size of {header.size} pixels: unpack or download it again."
        )
    return header


def check_annotation(frame: Frame, kind: str, image: png.Header) -> None:
    """Raise CourseError unless annotation `kind` is a PNG of the right type and has the size of `image`."""
    path = frame.annotation(kind)
    header = _header(path)
    if header.kind not in KINDS[kind]:
        raise CourseError(
            f"{path} is {header.kind}, but {kind} must be {' or '.join(KINDS[kind])}: unpack or download it again."
        )
    if (header.width, header.height) != (image.width, image.height):
        raise CourseError(_wrong_size(path, header.size, image))


def read_polygons(path: Path, image: png.Header | None = None) -> dict:
    """Read and check a gtFine_polygons.json: {"imgHeight", "imgWidth", "objects": [{"label", "polygon"}, ...]}.

    Raise CourseError if it is malformed, has an unknown label (at which cityscapesScripts would exit the process), or
    has another size than `image`.
    """
    try:
        polygons = json.loads(path.read_text(encoding="utf-8"))
        width, height = int(polygons["imgWidth"]), int(polygons["imgHeight"])
        for number, each in enumerate(polygons["objects"]):
            label = each["label"]
            if label not in name2label and label.removesuffix("group") not in name2label:
                raise CourseError(f"{path}: object {number} has the unknown label {label!r}: correct or remove it.")
            points = np.asarray(each["polygon"], dtype=np.float64)
            if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
                raise CourseError(f"{path}: object {number} ({label}) needs at least two points [x, y]: correct it.")
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        if isinstance(error, CourseError):
            raise
        raise CourseError(
            f"{path} is not a valid Cityscapes annotation ({type(error).__name__}: {error}): unpack or download it "
            "again."
        ) from error
    if image is not None and (width, height) != (image.width, image.height):
        raise CourseError(_wrong_size(path, f"{width} x {height}", image))
    return {**polygons, "imgWidth": width, "imgHeight": height}


def make_train_ids(frame: Frame, image: png.Header, temporary: Path) -> None:
    """Write the train ids of `frame` to `temporary`, created from its polygons, or else from its labelIds.

    Raise CourseError if the annotation is damaged, has another size than `image`, or contains an undefined id.
    """
    source = frame.annotation("polygons")
    if source.is_file():
        read_polygons(source, image)
        json2labelImg(str(source), str(temporary), "trainIds")
        return
    source = frame.annotation("labelIds")
    check_annotation(frame, "labelIds", image)
    temporary.write_bytes(encode_picture(id_to_train_id()[read_label_ids(source)]))


def read_label_ids(path: Path) -> np.ndarray:
    """Read label ids, uint8 (H, W). Raise CourseError if the file is damaged or has an undefined id."""
    ids = read_png(path)
    counts = np.bincount(ids.ravel(), minlength=256)
    undefined = np.flatnonzero((counts > 0) & ~LABEL_IDS_ALLOWED)
    if undefined.size:
        raise CourseError(
            f"{path} has the id {undefined[0]} in {counts[undefined[0]]} of {ids.size} pixels, which Cityscapes "
            "does not define (0 to 33): correct it, or unpack or download it again."
        )
    return ids


def read_instance_ids(path: Path) -> np.ndarray:
    """Read instance ids, uint16 (H, W). Raise CourseError if the file is damaged or has an invalid id.

    Valid ids are label ids and, for classes with instances, label id * 1000 + a number below 1000.
    """
    ids = read_png(path)
    counts = cv2.calcHist([ids], [0], None, [1 << 16], [0, 1 << 16]).ravel()
    invalid = np.flatnonzero((counts > 0) & ~INSTANCE_IDS_ALLOWED)
    if invalid.size:
        raise CourseError(
            f"{path} has the id {invalid[0]}, which is neither a label id nor an instance id (label id * 1000 + number)"
            ": unpack or download it again."
        )
    return ids


def check_train_ids(frame: Frame, image: png.Header) -> None:
    """Raise CourseError unless the labelTrainIds have the size of `image` and contain only train ids."""
    check_annotation(frame, "labelTrainIds", image)
    read_label(frame)


def _header(path: Path) -> png.Header:
    with name_file(path):
        return png.read_header(path)


def _wrong_size(path: Path, size: str, image: png.Header) -> str:
    return f"{path} has size {size}, but its image has {image.size}: take both from the same release."
