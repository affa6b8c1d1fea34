"""Read all five annotations of a frame, deriving missing ones from the train ids.

Your own data may have train ids only. Deriving the rest lets every plot and widget work on any data in this layout.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from helpers.cityscapes.convert import read_label_ids, read_polygons
from helpers.cityscapes.labels import CITYSCAPES, LABELS
from helpers.datasets import IGNORE, Classes, Frame, read_label
from helpers.datasets.frames import read_png


@dataclass(frozen=True)
class Annotations:
    """Annotations of one frame.

    polygons: as in the JSON file. color: uint8 (H, W, 3) RGB. label_ids, train_ids: uint8 (H, W). instance_ids: uint16
    (H, W).
    """

    polygons: dict
    color: np.ndarray
    label_ids: np.ndarray
    train_ids: np.ndarray
    instance_ids: np.ndarray


def read_annotations(frame: Frame) -> Annotations:
    """Read the annotations of a labelled frame; missing ones are derived from the train ids.

    Derived label ids cover the evaluated classes, derived instance ids do not separate objects, and derived polygons
    outline the connected regions of each class.
    Other classes than those of Cityscapes have their train ids as label ids.
    Raise CourseError if the train ids are missing or a file is damaged.
    """
    train_ids = read_label(frame)
    classes = frame.dataset.classes

    def read(kind: str, reader, derive):
        path = frame.annotation(kind)
        return reader(path) if path is not None and path.is_file() else derive()

    label_ids = read(
        "labelIds", read_label_ids, lambda: to_label_ids(train_ids) if classes.names == CITYSCAPES.names else train_ids
    )
    return Annotations(
        polygons=read("polygons", read_polygons, lambda: outline(train_ids, classes)),
        color=read("color", lambda path: read_png(path)[..., 2::-1], lambda: classes.colorize(train_ids)),
        label_ids=label_ids,
        train_ids=train_ids,
        instance_ids=read("instanceIds", read_png, lambda: label_ids.astype(np.uint16)),
    )


def to_label_ids(train_ids: np.ndarray) -> np.ndarray:
    """Convert train ids (H, W) to label ids, uint8 (H, W); ignored pixels become 0, "unlabeled"."""
    table = np.zeros(256, dtype=np.uint8)
    for label in LABELS:
        if 0 <= label.trainId < IGNORE:
            table[label.trainId] = label.id
    return table[train_ids]


def outline(train_ids: np.ndarray, classes: Classes) -> dict:
    """Outline the connected regions of train ids (H, W) in the schema of gtFine_polygons.json, largest first."""
    regions = []
    for i, name in enumerate(classes.names):
        contours, _ = cv2.findContours((train_ids == i).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        regions += [(cv2.contourArea(each), name, each[:, 0].tolist()) for each in contours if len(each) > 2]
    regions.sort(key=lambda each: -each[0])
    objects = [{"label": name, "polygon": points} for _, name, points in regions]
    return {"imgHeight": train_ids.shape[0], "imgWidth": train_ids.shape[1], "objects": objects}
