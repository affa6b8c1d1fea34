"""Calibration: does a network that is 90 % sure turn out right nine times out of ten?

C. Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.cpu.layers import fast_prediction
from helpers.datasets import IGNORE, Frame, normalise, read_pair
from helpers.evaluation.opening import require_classes
from helpers.models.modes import evaluation_mode


@dataclass(frozen=True, eq=False)
class Reliability:
    """Pixels by confidence, in bins of equal width from 0 to 1; arrays (bins,).

    `pixels` int64: how many fell into the bin; `confidence` and `accuracy` float64: their mean confidence and the share
    that was right, NaN in an empty bin.
    """

    pixels: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy, weighted by pixels, 0 to 1."""
        filled = self.pixels > 0
        gaps = np.abs(self.confidence - self.accuracy)[filled]
        return float(np.average(gaps, weights=self.pixels[filled])) if filled.any() else float("nan")


def reliability(net: nn.Layer, frames: Sequence[Frame], bins: int = 10, desc: str = "calibration") -> Reliability:
    """Compare the confidence of `net` in its prediction with how often it is right, over all labelled pixels.

    Confidence is the largest softmax probability of the first output at the frame's size. The mode of `net` is left as
    it was. Raises CourseError without frames, and if `net` has another number of classes than the data.
    """
    if not frames:
        raise CourseError("Expected at least one frame to measure calibration on, got none.")
    data = frames[0].dataset
    confidences, right, pixels = np.zeros(bins), np.zeros(bins), np.zeros(bins, dtype=np.int64)
    with paddle.no_grad(), evaluation_mode(net), fast_prediction(net):
        for frame in progress(frames, desc=desc, unit="frame"):
            image, truth = read_pair(frame)
            logits = net(paddle.to_tensor(normalise(image)[np.newaxis]))[0]  # (1, classes, H, W)
            require_classes(logits.shape[1], data)
            probability = F.softmax(logits, axis=1).numpy()[0]
            labelled = truth != IGNORE
            confidence = probability.max(axis=0)[labelled]
            correct = probability.argmax(axis=0)[labelled] == truth[labelled]
            place = np.minimum((confidence * bins).astype(int), bins - 1)
            confidences += np.bincount(place, confidence, bins)
            right += np.bincount(place, correct, bins)
            pixels += np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(pixels, confidences / pixels, right / pixels)
