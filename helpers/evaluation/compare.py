"""Compare two networks on the same frames: the significance of their difference, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from helpers.common.errors import CourseError
from helpers.datasets import IGNORE
from helpers.datasets.widths import widest
from helpers.evaluation.evaluating import Evaluation

# Values of `error_map`.
BOTH_RIGHT, ONLY_FIRST, ONLY_SECOND, BOTH_WRONG = range(4)


@dataclass(frozen=True)
class Difference:
    """A difference of IoU, second minus first, with the interval that holds `level` of the resampled differences.

    `miou`: (difference, low, high); `class_iou`: the same for each class, float64 (3, classes), NaN for a class
    without a score; `samples`: resampled differences of mIoU, float64 (B,).
    """

    miou: tuple[float, float, float]
    class_iou: np.ndarray
    samples: np.ndarray
    level: float


def paired_bootstrap(
    first: Evaluation, second: Evaluation, *, samples: int = 2000, level: float = 0.95, seed: int = 0
) -> Difference:
    """Estimate how much the difference of two networks depends on the choice of frames.

    Draws as many frames as there are, with replacement, `samples` times, and scores both networks on the same drawn
    frames, so the difficulty of a frame cancels out (Efron and Tibshirani 1993, chapter 13, percentile interval). A
    draw without a class leaves that class out for both networks. Frames of one drive resemble each other, so the
    interval tends to be too narrow. Raises CourseError unless both evaluations are of the same frames and classes.
    """
    if first.stems != second.stems:
        raise CourseError(
            f"Expected two evaluations of the same frames, got different lists of {len(first.stems)} and "
            f"{len(second.stems)} frames: evaluate both networks on one list."
        )
    if first.frame_matrices.shape != second.frame_matrices.shape:
        raise CourseError(
            f"Expected two evaluations of the same classes, got {first.frame_matrices.shape[1]} and "
            f"{second.frame_matrices.shape[1]}: evaluate both networks again on this data."
        )
    if samples < 1 or not 0 < level < 1:
        raise CourseError(
            f"Expected at least one sample and a level between 0 and 1, got samples={samples} and level={level}."
        )
    count = len(first.stems)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=samples)  # (B, frames)
    everything = np.ones((1, count), dtype=drawn.dtype)
    apart, whole = (_class_iou(second, times) - _class_iou(first, times) for times in (drawn, everything))
    tails = [(1 - level) / 2, (1 + level) / 2]
    means = _mean_difference(first, second, drawn)
    low, high = np.quantile(means, tails)
    with np.errstate(invalid="ignore"):
        bounds = np.full((2, whole.shape[1]), np.nan)
        scored = ~np.isnan(apart).all(axis=0)
        bounds[:, scored] = np.nanquantile(apart[:, scored], tails, axis=0)
    difference = float(_mean_difference(first, second, everything)[0])
    return Difference((difference, float(low), float(high)), np.stack([whole[0], *bounds]), means, level)


def _class_iou(evaluation: Evaluation, times: np.ndarray) -> np.ndarray:
    """Return the IoU, float64 (B, classes), if frame f counts `times[b, f]` times."""
    matrices = evaluation.frame_matrices.astype(np.float64)
    right = times @ matrices.diagonal(axis1=1, axis2=2)  # (B, classes)
    union = times @ (matrices.sum(axis=1) + matrices.sum(axis=2)) - right
    with np.errstate(invalid="ignore"):
        return right / union


def _mean_difference(first: Evaluation, second: Evaluation, times: np.ndarray) -> np.ndarray:
    one, two = _class_iou(first, times), _class_iou(second, times)
    # A class that only one network predicts has a score for that network only. Each mean is over its own classes, as in
    # `scores`.
    return np.nanmean(two, axis=1) - np.nanmean(one, axis=1)


def error_map(first: np.ndarray, second: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return BOTH_RIGHT, ONLY_FIRST, ONLY_SECOND, BOTH_WRONG or IGNORE for each pixel, uint8 (H, W).

    All three arguments are train ids (H, W). Raises CourseError if their sizes differ.
    """
    if not first.shape == second.shape == label.shape:
        raise CourseError(
            f"Predictions {first.shape} and {second.shape} and label {label.shape} must have the same size."
        )
    first_wrong, second_wrong = first != label, second != label
    return np.where(label == IGNORE, IGNORE, 2 * first_wrong + second_wrong).astype(np.uint8)


@dataclass(frozen=True)
class RegionOverlap:
    """A connected region of one class in a label.

    `area`: in pixels; `width`: diameter of the largest inscribed circle, in pixels, so a long pole is thin; `iou`:
    overlap with the prediction, 0 to 1.
    """

    class_id: int
    area: int
    width: float
    iou: float


def region_overlaps(prediction: np.ndarray, label: np.ndarray, smallest: int = 16) -> Iterator[RegionOverlap]:
    """Yield the labelled regions of at least `smallest` pixels with their IoU. Both arrays are train ids (H, W).

    A region is compared with every predicted region of its class that touches it, without the pixels of other labelled
    regions of that class and without ignored pixels. Predicted regions that touch no labelled one are not counted: see
    the confusion matrix for false positives.
    """
    evaluated = np.where(label == IGNORE, IGNORE, prediction)
    for class_id in np.flatnonzero(np.bincount(label.ravel(), minlength=256)[:IGNORE]):
        # Work on the bounding box of the class, labelled or predicted.
        left, top, width, height = cv2.boundingRect(((label == class_id) | (evaluated == class_id)).astype(np.uint8))
        box = np.s_[top : top + height, left : left + width]
        labelled, predicted = ((each[box] == class_id).astype(np.uint8) for each in (label, evaluated))
        regions, region_of, stats, _ = cv2.connectedComponentsWithStats(labelled, connectivity=8)
        pieces, piece_of = cv2.connectedComponents(predicted, connectivity=8)
        widths = widest(labelled, region_of, regions)
        # Pixels of each predicted piece in each labelled region; column 0 is outside of the labelled class.
        shared = np.bincount(piece_of.ravel() * regions + region_of.ravel(), minlength=pieces * regions)
        shared = shared.reshape(pieces, regions)[1:]  # (predicted pieces, labelled regions)
        for region in range(1, regions):
            area = int(stats[region, cv2.CC_STAT_AREA])
            if area < smallest:
                continue
            touching = shared[:, region] > 0
            intersection, outside = int(shared[:, region].sum()), int(shared[touching, 0].sum())
            yield RegionOverlap(int(class_id), area, float(widths[region]), intersection / (area + outside))


def mean_iou_by(values: np.ndarray, ious: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the number of `ious` (N,) in each bin of `values` (N,): edges[i] <= value < edges[i + 1].

    The means are float64 (bins,), NaN for an empty bin; the numbers are int64 (bins,).
    """
    index = np.digitize(values, edges) - 1
    inside = (index >= 0) & (index < len(edges) - 1)
    count = np.bincount(index[inside], minlength=len(edges) - 1)
    total = np.bincount(index[inside], weights=ious[inside], minlength=len(edges) - 1)
    with np.errstate(invalid="ignore"):
        return total / count, count
