"""All five annotations of a frame, whatever files it has.

Data of one's own often have labels only. What is missing is then made from the train ids, so that everything that
shows annotations works on any data in this layout.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from helpers.cityscapes import png
from helpers.cityscapes.convert import read_label_ids, read_polygons
from helpers.cityscapes.frames import Frame, read_bytes, read_label
from helpers.cityscapes.labels import CLASSES, IGNORE, LABELS, colorize
from helpers.common.errors import CourseError


@dataclass(frozen=True)
class Annotations:
    """`polygons` as in the JSON file; `color` uint8 (H, W, 3) RGB; the ids (H, W), uint8 but `instance_ids` uint16."""

    polygons: dict
    color: np.ndarray
    label_ids: np.ndarray
    train_ids: np.ndarray
    instance_ids: np.ndarray


def read_annotations(frame: Frame) -> Annotations:
    """Read the annotations of a labelled frame; made from the train ids is what has no file.

    Label ids are then those of the 19 classes, instance ids tell no objects apart, polygons outline the connected
    regions of each class. Raises CourseError when the train ids are missing or a file is damaged.
    """
    train_ids = read_label(frame)

    def read(kind: str, how, otherwise):
        path = frame.annotation(kind)
        return how(path) if path.is_file() else otherwise()

    label_ids = read("labelIds", read_label_ids, lambda: to_label_ids(train_ids))
    return Annotations(
        polygons=read("polygons", read_polygons, lambda: outline(train_ids)),
        color=read("color", lambda path: _pixels(path)[..., 2::-1], lambda: colorize(train_ids)),
        label_ids=label_ids,
        train_ids=train_ids,
        instance_ids=read("instanceIds", _pixels, lambda: label_ids.astype(np.uint16)),
    )


def to_label_ids(train_ids: np.ndarray) -> np.ndarray:
    """Label ids, uint8 (H, W), of train ids (H, W); what is ignored becomes 0, unlabeled."""
    table = np.zeros(256, dtype=np.uint8)
    for label in LABELS:
        if 0 <= label.trainId < IGNORE:
            table[label.trainId] = label.id
    return table[train_ids]


def outline(train_ids: np.ndarray) -> dict:
    """The connected regions of train ids (H, W) as a gtFine_polygons.json has objects, the largest first."""
    found = []
    for i, name in enumerate(CLASSES):
        contours, _ = cv2.findContours((train_ids == i).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        found += [(cv2.contourArea(each), name, each[:, 0].tolist()) for each in contours if len(each) > 2]
    found.sort(key=lambda each: -each[0])
    objects = [{"label": name, "polygon": points} for _, name, points in found]
    return {"imgHeight": train_ids.shape[0], "imgWidth": train_ids.shape[1], "objects": objects}


def _pixels(path) -> np.ndarray:
    try:
        return png.decode(read_bytes(path))
    except png.BadPicture as wrong:
        raise CourseError(f"{path} {wrong}; get that file again.") from wrong
