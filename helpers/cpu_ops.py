"""Three replacements that make training on a CPU faster and leave its results equal up to rounding.

Measured with `paddle.profiler` on a step of Fast-SCNN (4x3x256x256, 2 cores, Paddle 3.2.2): of 1350 ms, the gradient of
bilinear upsampling took 300, cross-entropy 210, and adding biases in front of batch norm with its gradient 200; all run
on one thread. On a GPU none of them matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial

import numba
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

_CHUNK = 4096  # pixels at a time: 19 float32 maps of them stay in the cache


@contextmanager
def fast_training(net: nn.Layer) -> Iterator[None]:
    """Inside, `net` trains faster on the current device if that is a CPU; nothing changes on a GPU."""
    if not paddle.get_device().startswith("cpu"):
        yield
        return
    with _matrix_interpolation(), _without_redundant_biases(net):
        yield


@contextmanager
def _matrix_interpolation() -> Iterator[None]:
    original = F.interpolate

    def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=False, *args, **kwargs):
        if mode != "bilinear" or x.ndim != 4 or size is None or args or kwargs:
            return original(x, size, scale_factor, mode, align_corners, *args, **kwargs)
        return bilinear(x, [int(length) for length in size], align_corners)

    F.interpolate = interpolate
    try:
        yield
    finally:
        F.interpolate = original


def bilinear(x: paddle.Tensor, size_hw: list[int], align_corners: bool = False) -> paddle.Tensor:
    """Bilinear interpolation of (N, C, h, w) to (N, C, H, W) as two matrix products: rows, then columns.

    Equals `paddle.nn.functional.interpolate`; its gradient is again two matrix products.
    """
    rows = paddle.to_tensor(_weights(x.shape[2], size_hw[0], align_corners), x.dtype)  # (H, h)
    columns = paddle.to_tensor(_weights(x.shape[3], size_hw[1], align_corners).T, x.dtype)  # (w, W)
    return paddle.matmul(paddle.matmul(rows, x), columns)


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


def cross_entropy(logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor, ignore: int) -> paddle.Tensor:
    """Mean cross-entropy of logits (N, C, H, W) to train ids (N, H, W) int64, each pixel weighted by its class.

    `weights` float32 (C,). Pixels of the value `ignore` take no part; without any other the loss is zero.
    """
    if logits.place.is_cpu_place() and logits.dtype == paddle.float32:
        return _CrossEntropy.apply(logits, label, weights, ignore)
    return F.cross_entropy(logits, label, weight=weights, ignore_index=ignore, axis=1)


class _CrossEntropy(paddle.autograd.PyLayer):
    # Paddle's kernel runs on one thread and has another one for the gradient; this finds both in one pass on all cores.
    @staticmethod
    def forward(ctx, logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor, ignore: int) -> paddle.Tensor:
        n, classes, height, width = logits.shape
        values = logits.numpy().reshape(n, classes, height * width)
        loss, gradient = _cross_entropy(values, label.numpy().reshape(n, -1), weights.numpy(), ignore)
        ctx.gradient = paddle.to_tensor(gradient.reshape(logits.shape))
        return paddle.to_tensor(loss, "float32")

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> paddle.Tensor:
        return ctx.gradient * upstream


@numba.njit(parallel=True, cache=True)
def _cross_entropy(logits, label, weights, ignore):  # (N, C, P), (N, P), (C,) -> float, (N, C, P)
    n, classes, pixels = logits.shape
    chunks = (pixels + _CHUNK - 1) // _CHUNK
    gradient = np.empty_like(logits)
    losses = np.zeros(n * chunks)
    totals = np.zeros(n * chunks)
    # Chunks are summed in a fixed order below, so the result does not depend on the number of threads.
    for chunk in numba.prange(n * chunks):
        image, start = chunk // chunks, chunk % chunks * _CHUNK
        stop = min(start + _CHUNK, pixels)
        top = logits[image, 0, start:stop].copy()
        for c in range(1, classes):
            top = np.maximum(top, logits[image, c, start:stop])
        total = np.zeros(stop - start, dtype=np.float32)
        for c in range(classes):
            share = np.exp(logits[image, c, start:stop] - top)
            gradient[image, c, start:stop] = share
            total += share
        factor = np.zeros(stop - start, dtype=np.float32)
        for i in range(stop - start):
            true = label[image, start + i]
            if true != ignore:
                weight = weights[true]
                losses[chunk] += weight * (np.log(total[i]) + top[i] - logits[image, true, start + i])
                totals[chunk] += weight
                factor[i] = weight / total[i]
        for c in range(classes):
            gradient[image, c, start:stop] *= factor
        for i in range(stop - start):
            true = label[image, start + i]
            if true != ignore:
                gradient[image, true, start + i] -= weights[true]
    norm = max(totals.sum(), 1e-12)
    for image in numba.prange(n):
        gradient[image] /= np.float32(norm)
    return losses.sum() / norm, gradient


@contextmanager
def _without_redundant_biases(net: nn.Layer) -> Iterator[None]:
    # PaddleSeg gives the convolutions of its ConvBN layers a bias, which batch norm subtracts again together with the
    # mean. So the bias moves into the running mean, and as zero it need not be added while training: its gradient is
    # zero too.
    changed = []
    for block in net.sublayers(include_self=True):
        convolution, norm = getattr(block, "_conv", None), getattr(block, "_batch_norm", None)
        if isinstance(convolution, nn.Conv2D) and isinstance(norm, nn.BatchNorm2D) and convolution.bias is not None:
            norm._mean.set_value(norm._mean - convolution.bias)
            convolution.bias.set_value(paddle.zeros_like(convolution.bias))
            convolution.forward = partial(_convolve_without_bias, convolution)
            changed.append(convolution)
    try:
        yield
    finally:
        for convolution in changed:
            del convolution.forward


def _convolve_without_bias(layer: nn.Conv2D, x: paddle.Tensor) -> paddle.Tensor:
    return F.conv2d(x, layer.weight, None, layer._stride, layer._padding, layer._dilation, layer._groups)
