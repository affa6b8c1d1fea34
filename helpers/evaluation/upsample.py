"""From the small logits of a network to labels at full size, without the large logits in between.

The networks compute logits at 1/4 or 1/8 of the image and enlarge them at the very end: 159 MB for a frame of
Cityscapes, of which only the place of the largest value at each pixel is wanted. Here both steps are one loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from helpers.cityscapes import NUM_CLASSES


class _Held:
    """What the last enlargement to the size of the image was about to do, instead of having done it."""

    small: paddle.Tensor | None = None
    align_corners = False


@contextmanager
def _hold_last_enlargement(size_hw: tuple[int, int]) -> Iterator[_Held]:
    # PaddleSeg's networks end in F.interpolate(logits, size of the image, mode="bilinear"). That call is noted here and
    # hands on its input; whether it was the last step is known when its result is what the network returns.
    original = F.interpolate
    held = _Held()

    def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=False, *args, **kwargs):
        wanted = size is not None and mode == "bilinear" and x.ndim == 4 and not args and not kwargs
        wanted = wanted and x.shape[1] == NUM_CLASSES  # logits, not features on their way to more layers
        if wanted and held.small is None and tuple(int(length) for length in size) == size_hw:
            held.small, held.align_corners = x, align_corners
            return x
        return original(x, size, scale_factor, mode, align_corners, *args, **kwargs)

    F.interpolate = interpolate
    try:
        yield held
    finally:
        F.interpolate = original


def labels(net: nn.Layer, x: paddle.Tensor) -> np.ndarray:
    """Train ids uint8 (H, W) of one normalised image, float32 (1, 3, H, W): the argmax of the first output of `net`.

    Equals `paddle.argmax(net(x)[0], axis=1)` but where two classes are equal up to rounding. `net` is in evaluation
    mode and gradients are off. One thread at a time may call this: the last step of the network is held back.
    """
    size_hw = (x.shape[2], x.shape[3])
    if not x.place.is_cpu_place():
        return paddle.argmax(net(x)[0], axis=1)[0].numpy().astype(np.uint8)
    # An auxiliary output is for training; computing it costs a second enlargement.
    auxiliary = getattr(net, "enable_auxiliary_loss", False)
    try:
        if auxiliary:
            net.enable_auxiliary_loss = False
        with _hold_last_enlargement(size_hw) as held:
            logits = net(x)[0]  # (1, C, h, w)
    finally:
        if auxiliary:
            net.enable_auxiliary_loss = True
    if held.small is None:
        return argmax_of_enlarged(logits.numpy()[0], size_hw, False)
    if logits is not held.small:  # something came after the enlargement: it has to be done
        return paddle.argmax(net(x)[0], axis=1)[0].numpy().astype(np.uint8)
    return argmax_of_enlarged(logits.numpy()[0], size_hw, held.align_corners)


def argmax_of_enlarged(logits: np.ndarray, size_hw: tuple[int, int], align_corners: bool = False) -> np.ndarray:
    """The class with the largest logit at each pixel after bilinear enlargement: uint8 (H, W).

    `logits` float32 (C, h, w); the enlargement is that of `paddle.nn.functional.interpolate`.
    """
    logits = np.ascontiguousarray(logits, dtype=np.float32)
    rows = _positions(logits.shape[1], size_hw[0], align_corners)
    factor, rest = divmod(size_hw[1], logits.shape[2])
    if rest == 0 and not align_corners:
        return _argmax_by_factor(logits, *rows, factor)
    return _argmax(logits, *rows, *_positions(logits.shape[2], size_hw[1], align_corners))


def _positions(old: int, new: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new sample the two old ones it lies between, int32 (new,), and the share of the second, float32."""
    ratio = ((old - 1) / (new - 1) if align_corners else old / new) if new > 1 else 0.0  # Paddle's rule for one sample
    position = np.arange(new) * ratio if align_corners else np.clip((np.arange(new) + 0.5) * ratio - 0.5, 0, None)
    low = np.minimum(position.astype(np.int32), old - 1)
    return low, np.minimum(low + 1, old - 1), (position - low).astype(np.float32)


@numba.njit(parallel=True, cache=True)
def _argmax(logits, row_low, row_high, row_share, low, high, share):  # (C, h, w), 3 x (H,), 3 x (W,) -> (H, W)
    classes, _, small_width = logits.shape
    height, width = row_low.size, low.size
    result = np.empty((height, width), dtype=np.uint8)
    for y in numba.prange(height):
        best = np.empty(width, dtype=np.float32)
        which = np.zeros(width, dtype=np.uint8)
        line = np.empty(small_width, dtype=np.float32)
        for c in range(classes):
            above, below = logits[c, row_low[y]], logits[c, row_high[y]]
            for x in range(small_width):
                line[x] = above[x] + row_share[y] * (below[x] - above[x])
            if c == 0:
                for x in range(width):
                    best[x] = line[low[x]] + share[x] * (line[high[x]] - line[low[x]])
            else:
                for x in range(width):
                    value = line[low[x]] + share[x] * (line[high[x]] - line[low[x]])
                    larger = value > best[x]
                    best[x] = value if larger else best[x]
                    which[x] = c if larger else which[x]
        result[y] = which
    return result


@numba.njit(parallel=True, cache=True)
def _argmax_by_factor(logits, row_low, row_high, row_share, factor):  # the same for W = factor * w
    # Columns that lie alike between their two neighbours are done together: the processor can then do eight at once.
    classes, _, small_width = logits.shape
    height = row_low.size
    result = np.empty((height, factor * small_width), dtype=np.uint8)
    for y in numba.prange(height):
        best = np.empty((factor, small_width), dtype=np.float32)
        which = np.zeros((factor, small_width), dtype=np.int32)
        line = np.empty(small_width + 2, dtype=np.float32)  # with its first and last value once more at either end
        for c in range(classes):
            above, below = logits[c, row_low[y]], logits[c, row_high[y]]
            for x in range(small_width):
                line[x + 1] = above[x] + row_share[y] * (below[x] - above[x])
            line[0], line[small_width + 1] = line[1], line[small_width]
            for k in range(factor):
                position = (k + 0.5) / factor - 0.5
                first = 0 if position < 0 else 1
                share = np.float32(position - (first - 1))
                left, right = line[first : first + small_width], line[first + 1 : first + 1 + small_width]
                top, name = best[k], which[k]
                if c == 0:
                    for x in range(small_width):
                        top[x] = left[x] + share * (right[x] - left[x])
                else:
                    for x in range(small_width):
                        value = left[x] + share * (right[x] - left[x])
                        larger = value > top[x]
                        top[x] = value if larger else top[x]
                        name[x] = c if larger else name[x]
        for k in range(factor):
            for x in range(small_width):
                result[y, x * factor + k] = which[k, x]
    return result
