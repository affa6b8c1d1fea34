"""Replacements that make training on a CPU faster and leave its results equal up to rounding.

Measured with `paddle.profiler` on a step of Fast-SCNN (4x3x256x256, 2 cores, Paddle 3.2.2): of 1350 ms, the gradient of
bilinear upsampling took 300, cross-entropy 210, and adding biases in front of batch norm with its gradient 200; all run
on one thread. Convolutions are the other half, and in the HRNets most of it (`helpers.cpu.onednn`). A static graph
was tried as well (2x3x256x512): 0.9 s a step, with oneDNN 2.1 s, where this takes 0.3 s. On a GPU none of it matters.
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


@contextmanager
def fast_training(net: nn.Layer) -> Iterator[None]:
    """Inside, `net` trains faster on the current device if that is a CPU; nothing changes on a GPU."""
    if not paddle.get_device().startswith("cpu"):
        yield
        return
    with _quiet_collector(), fast_prediction(net), _without_biases(net):
        yield


@contextmanager
def fast_prediction(net: nn.Layer) -> Iterator[None]:
    """Inside, `net` predicts faster on the current device if that is a CPU; its weights stay what they are."""
    if not paddle.get_device().startswith("cpu"):
        yield
        return
    fitting = [layer for layer in net.sublayers(include_self=True) if onednn.fits(layer)]
    with (
        _in_place_of("interpolate", _interpolate),
        _in_place_of("avg_pool3d", _avg_pool3d),
        _forwards({layer: partial(_convolve, layer) for layer in fitting}),
    ):
        yield


@contextmanager
def _quiet_collector() -> Iterator[None]:
    # A step makes thousands of small objects, and each full search for cycles goes over all that Paddle, numba and
    # pandas have loaded: 40 of the 600 ms of a step of U-HRNet. What is there already is left out of it.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _in_place_of(name: str, ours: Callable) -> Iterator[None]:
    # Inside, `ours` stands for a function of paddle.nn.functional, which it takes as its first argument.
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
    # U-HRNet halves its channels so: (N, 1, C, H, W), the mean of two at a time. As a product it takes a tenth.
    depth, *rest = tuple(kernel_size) if isinstance(kernel_size, (list, tuple)) else (0,)
    fits = rest == [1, 1] and tuple(kernel_size) == tuple(stride or ()) and x.shape[2] % depth == 0
    if not fits or args or kwargs:
        return original(x, kernel_size, stride, *args, **kwargs)
    n, channels, length, height, width = x.shape
    groups = x.reshape([n, channels * length // depth, depth, height * width])
    means = paddle.matmul(paddle.full([1, depth], 1 / depth, x.dtype), groups)
    return means.reshape([n, channels, length // depth, height, width])


def bilinear(x: paddle.Tensor, size_hw: list[int], align_corners: bool = False) -> paddle.Tensor:
    """Bilinear interpolation of (N, C, h, w) to (N, C, H, W) as two matrix products: columns, then rows.

    Equals `paddle.nn.functional.interpolate`; its gradient is again two matrix products.
    """
    rows = paddle.to_tensor(_weights(x.shape[2], size_hw[0], align_corners), x.dtype)  # (H, h)
    columns = paddle.to_tensor(_weights(x.shape[3], size_hw[1], align_corners).T, x.dtype)  # (w, W)
    return paddle.matmul(rows, paddle.matmul(x, columns))  # the other way round is more work for a wide picture


@lru_cache(maxsize=256)
def _weights(old: int, new: int, align_corners: bool) -> np.ndarray:
    """float64 (new, old): the share of each old sample in each new one, at most two in a row."""
    ratio = ((old - 1) / (new - 1) if align_corners else old / new) if new > 1 else 0.0  # Paddle's rule for one sample
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
    # PaddleSeg gives the convolutions of its ConvBN layers a bias, which batch norm subtracts again together with the
    # mean. So the bias moves into the running mean, and as zero it need not be added while training: its gradient is
    # zero too.
    without_bias = {}
    for block in net.sublayers(include_self=True):
        convolution, norm = getattr(block, "_conv", None), getattr(block, "_batch_norm", None)
        if isinstance(convolution, nn.Conv2D) and isinstance(norm, nn.BatchNorm2D) and convolution.bias is not None:
            norm._mean.set_value(norm._mean - convolution.bias)
            convolution.bias.set_value(paddle.zeros_like(convolution.bias))
            without_bias[convolution] = partial(_convolve, convolution, with_bias=False)
    with _forwards(without_bias):
        yield


@contextmanager
def _forwards(replacements: dict[nn.Layer, Callable]) -> Iterator[None]:
    # What stood in for a layer before does so again afterwards: a network is also evaluated in the middle of training.
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
        return F.conv2d(x, layer.weight, bias, *geometry)
    y = onednn.conv2d(x, layer.weight, *geometry)
    return y if bias is None else y + bias.reshape([1, -1, 1, 1])
