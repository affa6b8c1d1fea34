"""Two networks on the same frames: is the difference more than chance, and where do they differ?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from helpers.cityscapes import IGNORE, NUM_CLASSES
from helpers.common.errors import CourseError
from helpers.evaluation.evaluating import Evaluation

# Values of `error_map`.
BOTH_RIGHT, ONLY_FIRST, ONLY_SECOND, BOTH_WRONG = range(4)


@dataclass(frozen=True)
class Difference:
    """A difference of IoU, second minus first, with the interval that holds `level` of the resampled differences.

    `miou`: (difference, low, high); `class_iou` float64 (3, 19): the same for each class, NaN where a class has no
    score. `samples` float64 (B,): the resampled differences of mIoU.
    """

    miou: tuple[float, float, float]
    class_iou: np.ndarray
    samples: np.ndarray
    level: float


def paired_bootstrap(
    first: Evaluation, second: Evaluation, *, samples: int = 2000, level: float = 0.95, seed: int = 0
) -> Difference:
    """How far would the difference of two networks move, had other frames of the same kind been chosen?

    Draws as many frames as there are, with replacement, `samples` times; each time both networks are scored on the same
    drawn frames, so that what makes a frame hard for both cancels out (Efron and Tibshirani 1993, chapter 13, the
    percentile interval). A draw without a class leaves that class out for both networks. Frames of one drive resemble
    each other, so the interval is rather too narrow. Raises CourseError unless both saw the same frames.
    """
    if first.stems != second.stems:
        raise CourseError(
            f"The two evaluations are of {len(first.stems)} and {len(second.stems)} frames that are not the same: "
            "evaluate both networks on one list of frames."
        )
    if samples < 1 or not 0 < level < 1:
        raise CourseError(f"{samples} samples at a level of {level}: give at least one, and a level between 0 and 1.")
    count = len(first.stems)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=samples)  # (B, frames)
    everything = np.ones((1, count), dtype=drawn.dtype)
    apart, whole = (_class_iou(second, times) - _class_iou(first, times) for times in (drawn, everything))
    tails = [(1 - level) / 2, (1 + level) / 2]
    means = _mean_difference(first, second, drawn)
    low, high = np.quantile(means, tails)
    with np.errstate(invalid="ignore"):
        bounds = np.full((2, NUM_CLASSES), np.nan)
        scored = ~np.isnan(apart).all(axis=0)
        bounds[:, scored] = np.nanquantile(apart[:, scored], tails, axis=0)
    difference = float(_mean_difference(first, second, everything)[0])
    return Difference((difference, float(low), float(high)), np.stack([whole[0], *bounds]), means, level)


def _class_iou(evaluation: Evaluation, times: np.ndarray) -> np.ndarray:
    """IoU float64 (B, 19) when frame f counts `times[b, f]` times."""
    matrices = evaluation.frame_matrices.astype(np.float64)
    right = times @ matrices.diagonal(axis1=1, axis2=2)  # (B, 19)
    union = times @ (matrices.sum(axis=1) + matrices.sum(axis=2)) - right
    with np.errstate(invalid="ignore"):
        return right / union


def _mean_difference(first: Evaluation, second: Evaluation, times: np.ndarray) -> np.ndarray:
    one, two = _class_iou(first, times), _class_iou(second, times)
    # A class that only one of them predicted has a score on one side alone; each mean runs over its own classes, as in
    # `scores`.
    return np.nanmean(two, axis=1) - np.nanmean(one, axis=1)


def error_map(first: np.ndarray, second: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Who is right at each pixel: BOTH_RIGHT, ONLY_FIRST, ONLY_SECOND, BOTH_WRONG or IGNORE, uint8 (H, W).

    All three are train ids (H, W). Raises CourseError when the sizes differ.
    """
    if not first.shape == second.shape == label.shape:
        raise CourseError(
            f"Predictions {first.shape} and {second.shape} and label {label.shape} must have the same size."
        )
    one, two = first != label, second != label
    return np.where(label == IGNORE, IGNORE, 2 * one + two).astype(np.uint8)


@dataclass(frozen=True)
class RegionOverlap:
    """A connected piece of one class in a label.

    `area` in pixels; `width`: diameter in pixels of the largest circle inside, so a pole is as thin as its pole;
    `iou`: overlap with what was predicted there, 0 to 1.
    """

    class_id: int
    area: int
    width: float
    iou: float


def region_overlaps(prediction: np.ndarray, label: np.ndarray, smallest: int = 16) -> Iterator[RegionOverlap]:
    """The labelled regions of at least `smallest` pixels, and how well each was found. Both are train ids (H, W).

    What a region is compared with is every predicted piece of its class that touches it, without the pixels of other
    labelled regions of that class and without ignored pixels. A prediction that touches no region counts for none, so
    these are scores of what is there; false alarms are in the confusion matrix.
    """
    said_there = np.where(label == IGNORE, IGNORE, prediction)
    for class_id in np.flatnonzero(np.bincount(label.ravel(), minlength=256)[:NUM_CLASSES]):
        # Nothing outside of the smallest box around the class, labelled or predicted, plays a part.
        left, top, width, height = cv2.boundingRect(((label == class_id) | (said_there == class_id)).astype(np.uint8))
        box = np.s_[top : top + height, left : left + width]
        mine, said = ((each[box] == class_id).astype(np.uint8) for each in (label, said_there))
        count, of_label, stats, _ = cv2.connectedComponentsWithStats(mine, connectivity=8)
        pieces, of_said = cv2.connectedComponents(said, connectivity=8)
        inside = cv2.distanceTransform(np.pad(mine, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        widest = np.zeros(count)
        np.maximum.at(widest, of_label[mine > 0], inside[mine > 0])
        # How many pixels of each predicted piece lie in each region; column 0 is outside the class.
        shared = np.bincount(of_said.ravel() * count + of_label.ravel(), minlength=pieces * count)
        shared = shared.reshape(pieces, count)[1:]  # (pieces, regions)
        for number in range(1, count):
            area = int(stats[number, cv2.CC_STAT_AREA])
            if area < smallest:
                continue
            touching = shared[:, number] > 0
            found = int(shared[:, number].sum())
            beside = int(shared[touching, 0].sum())
            yield RegionOverlap(int(class_id), area, float(2 * widest[number] - 1), found / (area + beside))


def mean_iou_by(values: np.ndarray, ious: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of `ious` (N,) and how many there are in each bin of `values` (N,): edges[i] <= value < edges[i + 1].

    Returns float64 (bins,), NaN for an empty bin, and int64 (bins,).
    """
    place = np.digitize(values, edges) - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    count = np.bincount(place[inside], minlength=len(edges) - 1)
    total = np.bincount(place[inside], weights=ious[inside], minlength=len(edges) - 1)
    with np.errstate(invalid="ignore"):
        return total / count, count
