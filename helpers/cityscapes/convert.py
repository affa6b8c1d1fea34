"""From polygons to train ids, by cityscapesScripts' own converter; and whether a frame's files fit together."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import name2label
from cityscapesscripts.preparation.json2labelImg import json2labelImg

from helpers.cityscapes import png
from helpers.cityscapes.frames import Frame, read_bytes, read_label
from helpers.cityscapes.labels import INSTANCE_IDS_ALLOWED, LABEL_IDS_ALLOWED, id_to_train_id
from helpers.common.errors import CourseError

# What each annotation picture must be. The converters have written color with and without alpha.
KINDS = {
    "labelIds": ("8-bit grey",),
    "labelTrainIds": ("8-bit grey",),
    "instanceIds": ("16-bit grey",),
    "color": ("8-bit RGB with alpha", "8-bit RGB"),
}
MAX_PIXELS = 1 << 27  # a header may claim any size; memory is taken by it


def check_camera_image(frame: Frame) -> png.Header:
    """The header of the camera image. Raises CourseError unless it is an 8-bit PNG of a sane size."""
    header = _header(frame.image)
    if header.kind not in ("8-bit RGB", "8-bit RGB with alpha", "8-bit grey"):
        raise CourseError(f"{frame.image} is {header.kind}: Cityscapes images are 8-bit RGB; convert or remove it.")
    if header.width * header.height > MAX_PIXELS or not header.width * header.height:
        raise CourseError(f"{frame.image} claims {header.size} pixels, more than any camera: get that file again.")
    return header


def check_annotation(frame: Frame, kind: str, image: png.Header) -> None:
    """Raises CourseError unless annotation `kind` is a PNG of the right type and of the image's size."""
    path = frame.annotation(kind)
    header = _header(path)
    if header.kind not in KINDS[kind]:
        raise CourseError(f"{path} is {header.kind}; {kind} must be {' or '.join(KINDS[kind])}: get that file again.")
    if (header.width, header.height) != (image.width, image.height):
        raise CourseError(
            f"{path} has {header.size} pixels and its image {image.size}: an annotation has its image's size; "
            "get both from the same release."
        )


def read_polygons(path: Path) -> dict:
    """A gtFine_polygons.json, checked: {"imgHeight", "imgWidth", "objects": [{"label", "polygon"}, ...]}.

    Raises CourseError. cityscapesScripts ends the whole process at a label it does not know; so it is asked before.
    """
    try:
        polygons = json.loads(path.read_text(encoding="utf-8"))
        sizes = int(polygons["imgWidth"]), int(polygons["imgHeight"])
        for number, each in enumerate(polygons["objects"]):
            label = each["label"]
            if label not in name2label and label.removesuffix("group") not in name2label:
                raise CourseError(f"{path}: object {number} has the unknown label {label!r}: correct or remove it.")
            points = np.asarray(each["polygon"], dtype=np.float64)
            if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
                raise CourseError(f"{path}: object {number} ({label}) needs two or more points [x, y]: correct it.")
    except (KeyError, TypeError, ValueError, UnicodeDecodeError, AttributeError) as error:
        if isinstance(error, CourseError):
            raise
        raise CourseError(
            f"{path} is no annotation in Cityscapes' JSON form ({type(error).__name__}: {error}): get that file again."
        ) from error
    return {**polygons, "imgWidth": sizes[0], "imgHeight": sizes[1]}


def make_train_ids(frame: Frame, image: png.Header, temporary: Path) -> None:
    """Write the train ids of `frame` to `temporary`: from its polygons, or else from its labelIds.

    Raises CourseError when the annotation is damaged, has another size than `image`, or an undefined id.
    """
    source = frame.annotation("polygons")
    if source.is_file():
        polygons = read_polygons(source)
        if (polygons["imgWidth"], polygons["imgHeight"]) != (image.width, image.height):
            raise CourseError(
                f"{source} is for {polygons['imgWidth']} x {polygons['imgHeight']} pixels and its image has "
                f"{image.size}: an annotation has its image's size; get both from the same release."
            )
        json2labelImg(str(source), str(temporary), "trainIds")
        return
    source = frame.annotation("labelIds")
    check_annotation(frame, "labelIds", image)
    cv2.imwrite(str(temporary), id_to_train_id()[read_label_ids(source)])


def read_label_ids(path: Path) -> np.ndarray:
    """Label ids uint8 (H, W). Raises CourseError when the file is damaged or has an id that Cityscapes lacks."""
    try:
        ids = png.decode(read_bytes(path))
    except png.BadPicture as wrong:
        raise CourseError(f"{path} {wrong}; get that file again.") from wrong
    counts = np.bincount(ids.ravel(), minlength=256)
    wrong = np.flatnonzero((counts > 0) & ~LABEL_IDS_ALLOWED)
    if wrong.size:
        raise CourseError(
            f"{path} has the id {wrong[0]} in {counts[wrong[0]]} pixels, which Cityscapes does not define (0 to 33): "
            "correct it or get that file again."
        )
    return ids


def read_instance_ids(path: Path) -> np.ndarray:
    """Instance ids uint16 (H, W). Raises CourseError when the file is damaged or has an id that cannot be.

    Legal are the label ids, and for classes with single objects the id times 1000 plus a number below 1000.
    """
    try:
        ids = png.decode(read_bytes(path))
    except png.BadPicture as wrong:
        raise CourseError(f"{path} {wrong}; get that file again.") from wrong
    counts = cv2.calcHist([ids], [0], None, [1 << 16], [0, 1 << 16]).ravel()
    wrong = np.flatnonzero((counts > 0) & ~INSTANCE_IDS_ALLOWED)
    if wrong.size:
        raise CourseError(
            f"{path} has the id {wrong[0]}, which is neither a label id nor one of an instance class times 1000 plus "
            "a number: get that file again."
        )
    return ids


def check_train_ids(frame: Frame, image: png.Header) -> None:
    """Raises CourseError unless the labelTrainIds fit the image and hold train ids alone."""
    check_annotation(frame, "labelTrainIds", image)
    read_label(frame)


def _header(path: Path) -> png.Header:
    try:
        return png.read_header(path)
    except png.BadPicture as wrong:
        raise CourseError(f"{path} {wrong}; get that file again.") from wrong
