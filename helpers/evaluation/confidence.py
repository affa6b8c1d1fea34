"""Confidence in the true class: it changes long before labels flip, so it also shows the effect of short trainings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from helpers.cityscapes import NUM_CLASSES, Frame, read_image, read_label
from helpers.common.progress import progress
from helpers.cpu.layers import fast_prediction
from helpers.datasets import normalise
from helpers.models.modes import evaluation_mode


def true_class_probability(net: nn.Layer, frames: Sequence[Frame], desc: str = "confidence") -> np.ndarray:
    """Return the mean probability of the true class over the pixels of each class, float64 (19,).

    The probability is the softmax of the first output of `net`, at the size of the frame. NaN for a class without
    pixels. The mode of `net` is restored.
    """
    total, pixels = np.zeros(NUM_CLASSES), np.zeros(NUM_CLASSES)
    with paddle.no_grad(), evaluation_mode(net), fast_prediction(net):
        for frame in progress(frames, desc=desc, unit="frame"):
            logits = net(paddle.to_tensor(normalise(read_image(frame))[np.newaxis]))[0]  # (1, 19, H, W)
            probability = F.softmax(logits, axis=1).numpy()[0]
            truth = read_label(frame)
            known = truth < NUM_CLASSES
            classes = truth[known]
            total += np.bincount(classes, probability[:, known][classes, np.arange(classes.size)], NUM_CLASSES)
            pixels += np.bincount(classes, minlength=NUM_CLASSES)
    return np.divide(total, pixels, out=np.full(NUM_CLASSES, np.nan), where=pixels > 0)
