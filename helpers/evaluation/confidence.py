"""How sure a network is of what is true: it moves long before labels flip, so it tells of short trainings too."""

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


def true_class_probability(net: nn.Layer, frames: Sequence[Frame], desc: str = "confidence") -> np.ndarray:
    """Mean probability that `net` gives to the class that a pixel has, by class: float64 (19,).

    The probability is the softmax of the first output, at the frame's size. NaN where no pixel has the class. The mode
    of `net` is left as it was.
    """
    total, pixels = np.zeros(NUM_CLASSES), np.zeros(NUM_CLASSES)
    was_training = net.training
    net.eval()
    with paddle.no_grad(), fast_prediction(net):
        for frame in progress(frames, desc=desc, unit="frame"):
            logits = net(paddle.to_tensor(normalise(read_image(frame))[np.newaxis]))[0]  # (1, 19, H, W)
            probability = F.softmax(logits, axis=1).numpy()[0]
            truth = read_label(frame)
            known = truth < NUM_CLASSES
            classes = truth[known]
            total += np.bincount(classes, probability[:, known][classes, np.arange(classes.size)], NUM_CLASSES)
            pixels += np.bincount(classes, minlength=NUM_CLASSES)
    if was_training:
        net.train()
    return np.divide(total, pixels, out=np.full(NUM_CLASSES, np.nan), where=pixels > 0)
