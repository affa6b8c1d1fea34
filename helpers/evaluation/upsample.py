"""From a live network to labels, without the large logits in between.

The networks compute logits at 1/4 or 1/8 of the image and enlarge them at the very end: 159 MB for a frame of
Cityscapes, of which only the place of the largest value at each pixel is wanted. `helpers.cpu.pixels` does both
steps in one loop.
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
from helpers.deployment.graphs import Resize, last_resize, without_resize

_RESIZES: WeakKeyDictionary[nn.Layer, Resize | None] = WeakKeyDictionary()


def labels(net: nn.Layer, x: paddle.Tensor) -> np.ndarray:
    """Train ids uint8 (H, W) of one normalised image, float32 (1, 3, H, W): the argmax of the first output of `net`.

    Equals `paddle.argmax(net(x)[0], axis=1)` but where two classes are equal up to rounding. `net` is in evaluation
    mode and gradients are off. One thread at a time may call this: the last step of the network is held back.
    """
    if not x.place.is_cpu_place():
        return paddle.argmax(net(x)[0], axis=1)[0].numpy().astype(np.uint8)
    if net not in _RESIZES:
        _RESIZES[net] = last_resize(net)
    resize = _RESIZES[net]
    with _without_auxiliary_output(net), fast_prediction(net), without_resize(resize):
        logits = net(x)[0].numpy()  # (1, C, h, w)
    return labels_of(logits, (x.shape[2], x.shape[3]), bool(resize and resize.align_corners), workers())[0]


@lru_cache(maxsize=1)
def workers() -> Workers:
    """Threads for what is done with pixels, one for each core."""
    return Workers(usable_cores())


@contextmanager
def _without_auxiliary_output(net: nn.Layer) -> Iterator[None]:
    # It is for training. Computing it costs a second enlargement.
    there = getattr(net, "enable_auxiliary_loss", False)
    try:
        if there:
            net.enable_auxiliary_loss = False
        yield
    finally:
        if there:
            net.enable_auxiliary_loss = True
