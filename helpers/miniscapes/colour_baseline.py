"""Colour baseline: the most likely class of each RGB value, learnt by counting.

A network that does not beat it has learnt no shape. With a fine enough colour cube it is close to the best possible
per-pixel colour classifier, because it is the Bayes rule on the empirical distribution.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from helpers.common.errors import CourseError

CLASSES = 19  # of MiniScapes
FINE, COARSE = 32, 8  # cells per colour axis; the coarse cube is the prior where the fine one has few samples


def _cell(image: np.ndarray, bins: int) -> np.ndarray:
    """Return the cell index of RGB values, uint8 (..., 3), in a cube of bins**3 cells, int32 (...)."""
    step = 256 // bins
    q = (image // step).astype(np.int32)
    return (q[..., 0] * bins + q[..., 1]) * bins + q[..., 2]


@dataclass(frozen=True)
class ColourBaseline:
    """Pixel counts per colour cell and class: fine int64 (FINE**3, classes), coarse int64 (COARSE**3, classes)."""

    fine: np.ndarray
    coarse: np.ndarray

    def table(self, balance: float) -> np.ndarray:
        """Return the class of every fine cell, uint8 (FINE**3,).

        balance: 0 weights classes by frequency (best accuracy), 1 weights them equally. Raise CourseError
        outside 0 to 1.
        """
        if not 0 <= balance <= 1:
            raise CourseError(f"Expected a balance between 0 and 1, got {balance!r}.")
        frequency = np.maximum(self.fine.sum(0), 1.0)
        axis = np.arange(FINE) * COARSE // FINE
        parent = ((axis[:, None, None] * COARSE + axis[None, :, None]) * COARSE + axis[None, None, :]).ravel()
        coarse = self.coarse[parent].astype(np.float64)
        prior = coarse / np.maximum(coarse.sum(1, keepdims=True), 1) + 1e-6 * frequency / frequency.sum()
        score = (self.fine + 20.0 * prior) / frequency**balance  # the prior counts as twenty pixels
        return score.argmax(1).astype(np.uint8)

    def predict(self, image: np.ndarray, balance: float = 0.5) -> np.ndarray:
        """Predict train ids, uint8 (H, W), of an RGB image, uint8 (H, W, 3)."""
        return self.table(balance)[_cell(image, FINE)]


def fit(pairs: Iterable[tuple[np.ndarray, np.ndarray]], num_classes: int = CLASSES) -> ColourBaseline:
    """Count the colours of each class.

    pairs: (image uint8 (H, W, 3) RGB, train ids uint8 (H, W), 255 ignored). Raise CourseError if no pixel is labelled.
    """
    cubes = {bins: np.zeros(bins**3 * num_classes, np.int64) for bins in (FINE, COARSE)}
    seen = 0
    for image, label in pairs:
        known = label < num_classes
        seen += int(known.sum())
        for bins, cube in cubes.items():
            cube += np.bincount(_cell(image[known], bins) * num_classes + label[known], minlength=cube.size)
    if not seen:
        raise CourseError("Expected at least one labelled pixel, got none: pass frames of train or val.")
    return ColourBaseline(*(cube.reshape(-1, num_classes) for cube in cubes.values()))
