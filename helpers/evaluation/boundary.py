"""Boundary IoU: the IoU of the strips along the contours, where thin classes live.

B. Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", arXiv:2103.16562. IoU is
dominated by the interior of large regions: a mask that is off by three pixels all around costs a road nothing and a
pole everything. Boundary IoU compares only the pixels within a distance d of each mask's own contour.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot

import cv2
import numpy as np

from helpers.common.errors import CourseError
from helpers.datasets import IGNORE

# Share of the image diagonal that the authors use for Cityscapes: 11 pixels at 1024 x 2048.
DISTANCE = 0.005


def boundary_counts(
    prediction: np.ndarray, label: np.ndarray, num_classes: int, distance: float = DISTANCE
) -> np.ndarray:
    """Count the boundary pixels of one frame: int64 (2, num_classes), intersection and union of each class.

    `prediction` and `label` are train ids (H, W); ignored pixels count nowhere, and a contour along them is no
    boundary. `distance` is a share of the image diagonal, at least one pixel. The frame's edge is a boundary, as in the
    authors' code. Add the counts of several frames and pass them to `boundary_iou`. Raises CourseError when the sizes
    differ.
    """
    if prediction.shape != label.shape:
        raise CourseError(f"Expected a prediction of the label's size {label.shape}, got {prediction.shape}.")
    pixels = max(1, round(distance * hypot(*label.shape)))
    ignored = label == IGNORE
    counts = np.zeros((2, num_classes), dtype=np.int64)
    present = np.union1d(np.unique(label), np.unique(prediction[~ignored]))
    for class_id in present[present < num_classes]:
        strips = [_boundary(ids == class_id, ignored, pixels) for ids in (label, prediction)]
        counts[0, class_id] = np.count_nonzero(strips[0] & strips[1])
        counts[1, class_id] = np.count_nonzero(strips[0] | strips[1])
    return counts


def boundary_iou(counts: Iterable[np.ndarray]) -> np.ndarray:
    """Boundary IoU of each class, float64 (num_classes,), NaN where no frame has or predicts the class.

    `counts`: the results of `boundary_counts`, one per frame; the counts are added before they are divided.
    """
    intersection, union = np.sum(list(counts), axis=0)
    with np.errstate(invalid="ignore"):
        return intersection / union


def _boundary(mask: np.ndarray, ignored: np.ndarray, pixels: int) -> np.ndarray:
    # Ignored pixels belong to every mask while it is eroded, so that the contour does not follow them.
    filled = (mask | ignored).astype(np.uint8)
    size = 2 * pixels + 1
    interior = cv2.erode(filled, np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & ~ignored & (interior == 0)
