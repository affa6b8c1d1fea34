"""How wide the connected regions of a label map are.

Area does not tell thin from small: a pole covers as many pixels as a distant car and is a twentieth as wide. Width
decides what a network that works at 1/8 of the resolution can still separate.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from helpers.datasets.classes import IGNORE


def widest(mask: np.ndarray, components: np.ndarray, count: int) -> np.ndarray:
    """Diameter in pixels of the largest circle that fits into each component: float64 (count,), component 0 included.

    `mask` uint8 (H, W), 0 or 1, and its `components` as `cv2.connectedComponents` numbers them. The outside of the
    frame counts as background. A line one pixel wide has the diameter 1.
    """
    inside = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    radius = np.zeros(count)
    np.maximum.at(radius, components[mask > 0], inside[mask > 0])
    return 2 * radius - 1


def region_widths(label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every 8-connected region of train ids (H, W): its class int64 (N,), width float64 (N,) and area int64 (N,)."""
    classes, widths, areas = [], [], []
    for class_id in np.flatnonzero(np.bincount(label.ravel(), minlength=256)[:IGNORE]):
        mask = (label == class_id).astype(np.uint8)
        count, components, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        classes.append(np.full(count - 1, class_id))
        widths.append(widest(mask, components, count)[1:])
        areas.append(stats[1:, cv2.CC_STAT_AREA].astype(np.int64))
    if not classes:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    return np.concatenate(classes), np.concatenate(widths), np.concatenate(areas)


def width_spans(
    labels: Iterable[np.ndarray], num_classes: int, shares: tuple[float, ...] = (0.1, 0.5, 0.9)
) -> np.ndarray:
    """Width in pixels of the region that holds each share of a class's pixels: float64 (num_classes, len(shares)).

    Regions are ordered by width and weighted by area: half of the pixels of a class lie in regions narrower than its
    value for 0.5. NaN for a class without pixels.
    """
    found = [region_widths(label) for label in labels]
    classes, widths, areas = (np.concatenate(column) for column in zip(*found, strict=True))
    spans = np.full((num_classes, len(shares)), np.nan)
    for class_id in np.unique(classes):
        own = np.flatnonzero(classes == class_id)
        own = own[np.argsort(widths[own], kind="stable")]
        covered = np.cumsum(areas[own]) / areas[own].sum()
        spans[class_id] = widths[own[np.searchsorted(covered, shares)]]
    return spans
