"""Predict labels with a live network, without storing the logits at full size.

The networks compute logits at 1/4 or 1/8 of the image and resize them in the last step: 159 MB for a frame of
Cityscapes, of which only the index of the largest logit at each pixel is needed. `helpers.cpu.pixels` does both steps
in one loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import paddle
from paddle import nn

from helpers.common.runtime import usable_cores
from helpers.cpu.layers import fast_prediction
from helpers.cpu.pixels import Workers, labels_of
from helpers.deployment.graphs import MainOutput, main_output, without_resize
from helpers.models.sizes import padded_hw, stride_of, uncropped

_OUTPUTS: WeakKeyDictionary[nn.Layer, MainOutput] = WeakKeyDictionary()


def labels(net: nn.Layer, x: paddle.Tensor) -> np.ndarray:
    """Return train ids uint8 (H, W) of one normalised image, float32 (1, 3, H, W): the argmax of the first output.

    Equals `paddle.argmax(net(x)[0], axis=1)` except where two classes tie up to rounding. `net` must be in evaluation
    mode and gradients disabled. Only one thread may call this at a time, because it replaces `interpolate`.
    """
    if not x.place.is_cpu_place():
        return paddle.argmax(net(x)[0], axis=1)[0].numpy().astype(np.uint8)
    resize = output_of(net).resize
    with _without_auxiliary_output(net), fast_prediction(net), without_resize(resize), uncropped():
        logits = net(x)[0].numpy()  # (1, C, h, w)
    size_hw = x.shape[2], x.shape[3]
    aligned = bool(resize and resize.align_corners)
    return labels_of(logits, size_hw, aligned, _workers(), padded_hw(size_hw, stride_of(net)))[0]


def output_of(net: nn.Layer) -> MainOutput:
    """Return `main_output(net)`, computed once for each network."""
    if net not in _OUTPUTS:
        _OUTPUTS[net] = main_output(net)
    return _OUTPUTS[net]


@lru_cache(maxsize=1)
def _workers() -> Workers:
    return Workers(usable_cores())


@contextmanager
def _without_auxiliary_output(net: nn.Layer) -> Iterator[None]:
    # It is only for training, and computing it costs a second resize.
    enabled = getattr(net, "enable_auxiliary_loss", False)
    try:
        if enabled:
            net.enable_auxiliary_loss = False
        yield
    finally:
        if enabled:
            net.enable_auxiliary_loss = True
