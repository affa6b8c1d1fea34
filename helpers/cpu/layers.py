"""Faster layers for training on a CPU, equal to Paddle's up to rounding.

Of a training step of Fast-SCNN (4x3x256x256, 2 cores, Paddle 3.2.2), `paddle.profiler` measured 1350 ms: 300 for the
gradient of bilinear upsampling, 210 for cross-entropy, 200 for adding biases in front of batch norm and their gradient,
all on one thread. Convolutions are the other half, and most of a step of an HRNet (`helpers.cpu.onednn`). A static
graph is no alternative (2x3x256x512): 0.9 s per step, 2.1 s with oneDNN, against 0.3 s here. None of this matters on a
GPU.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from helpers.cpu import onednn
from helpers.cpu.arrays import place_of


@contextmanager
def fast_training(net: nn.Layer) -> Iterator[None]:
    """Speed up the training of `net` within the block if its weights are on the CPU; do nothing on a GPU.

    Biases in front of batch norm are zero afterwards, and the running means lower by them: the outputs are the same.
    """
    if not place_of(net).is_cpu_place():
        yield
        return
    with _quiet_collector(), fast_prediction(net), _without_biases(net):
        yield


@contextmanager
def fast_prediction(net: nn.Layer) -> Iterator[None]:
    """Speed up the forward pass of `net` within the block if its weights are on the CPU; they do not change."""
    if not place_of(net).is_cpu_place():
        yield
        return
    fitting = [layer for layer in net.sublayers(include_self=True) if onednn.fits(layer)]
    with (
        _patched("interpolate", _interpolate),
        _patched("avg_pool3d", _avg_pool3d),
        _with_forwards({layer: partial(_convolve, layer) for layer in fitting}),
    ):
        yield


@contextmanager
def _quiet_collector() -> Iterator[None]:
    # A step creates thousands of small objects, and each full garbage collection visits all objects of Paddle, numba
    # and pandas: 40 of the 600 ms of a step of U-HRNet. Freezing excludes the objects that already exist.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _patched(name: str, ours: Callable) -> Iterator[None]:
    # Replace a function of paddle.nn.functional by `ours`, which receives the original as its first argument.
    original = getattr(F, name)
    setattr(F, name, partial(ours, original))
    try:
        yield
    finally:
        setattr(F, name, original)


def _interpolate(
    original, x, size=None, scale_factor=None, mode="nearest", align_corners=False, align_mode=0, *args, **kwargs
):
    usual = align_mode == 0 and args in ((), ("NCHW",)) and not kwargs
    if mode != "bilinear" or x.ndim != 4 or size is None or not usual:
        return original(x, size, scale_factor, mode, align_corners, align_mode, *args, **kwargs)
    return bilinear(x, [int(length) for length in size], align_corners)


def _avg_pool3d(original, x, kernel_size, stride=None, *args, **kwargs):
    # U-HRNet halves its channels by averaging neighbours: (N, 1, C, H, W). A product of matrices takes a tenth of the
    # time.
    depth, *rest = tuple(kernel_size) if isinstance(kernel_size, (list, tuple)) else (0,)
    fits = rest == [1, 1] and tuple(kernel_size) == tuple(stride or ()) and x.shape[2] % depth == 0
    if not fits or args or kwargs:
        return original(x, kernel_size, stride, *args, **kwargs)
    n, channels, length, height, width = x.shape
    groups = x.reshape([n, channels * length // depth, depth, height * width])
    means = paddle.matmul(paddle.full([1, depth], 1 / depth, x.dtype), groups)
    return means.reshape([n, channels, length // depth, height, width])


def bilinear(x: paddle.Tensor, size_hw: list[int], align_corners: bool = False) -> paddle.Tensor:
    """Interpolate x (N, C, h, w) bilinearly to (N, C, H, W) with two matrix products: columns, then rows.

    Equals `paddle.nn.functional.interpolate`, and its gradient takes two matrix products, too.
    """
    rows = paddle.to_tensor(_weights(x.shape[2], size_hw[0], align_corners), x.dtype)  # (H, h)
    columns = paddle.to_tensor(_weights(x.shape[3], size_hw[1], align_corners).T, x.dtype)  # (w, W)
    return paddle.matmul(rows, paddle.matmul(x, columns))  # the opposite order is more work for wide images


@lru_cache(maxsize=256)
def _weights(old: int, new: int, align_corners: bool) -> np.ndarray:
    """Return the weight of each old sample in each new one: float64 (new, old), at most two per row."""
    ratio = ((old - 1) / (new - 1) if align_corners else old / new) if new > 1 else 0.0  # as Paddle does for one sample
    position = np.arange(new) * ratio if align_corners else np.clip((np.arange(new) + 0.5) * ratio - 0.5, 0, None)
    low = np.minimum(np.floor(position).astype(int), old - 1)
    high = np.minimum(low + 1, old - 1)
    share = position - low
    weights = np.zeros((new, old))
    np.add.at(weights, (np.arange(new), low), 1 - share)
    np.add.at(weights, (np.arange(new), high), share)
    return weights


@contextmanager
def _without_biases(net: nn.Layer) -> Iterator[None]:
    # The convolutions of PaddleSeg's ConvBN layers have a bias, which batch norm subtracts with the mean. Subtract it
    # from the running mean and do not add it while training: its gradient is zero, too.
    without_bias = {}
    for block in net.sublayers(include_self=True):
        convolution, norm = getattr(block, "_conv", None), getattr(block, "_batch_norm", None)
        is_pair = isinstance(convolution, nn.Conv2D) and isinstance(norm, nn.BatchNorm2D)
        if is_pair and convolution.bias is not None and convolution._padding_mode == "zeros":
            norm._mean.set_value(norm._mean - convolution.bias)
            convolution.bias.set_value(paddle.zeros_like(convolution.bias))
            without_bias[convolution] = partial(_convolve, convolution, with_bias=False)
    with _with_forwards(without_bias):
        yield


@contextmanager
def _with_forwards(replacements: dict[nn.Layer, Callable]) -> Iterator[None]:
    # Restore an earlier replacement afterwards: `fast_prediction` runs inside `fast_training` at each validation.
    before = {layer: layer.__dict__.get("forward") for layer in replacements}
    for layer, forward in replacements.items():
        layer.forward = forward
    try:
        yield
    finally:
        for layer, forward in before.items():
            if forward is None:
                del layer.__dict__["forward"]
            else:
                layer.forward = forward


def _convolve(layer: nn.Conv2D, x: paddle.Tensor, with_bias: bool = True) -> paddle.Tensor:
    bias = layer.bias if with_bias else None
    geometry = layer._stride, layer._padding, layer._dilation, layer._groups
    if x.dtype != paddle.float32 or not onednn.fits(layer):
        return F.conv2d(x, layer.weight, bias, *geometry, layer._data_format)
    y = onednn.conv2d(x, layer.weight, *geometry)
    return y if bias is None else y + bias.reshape([1, -1, 1, 1])
