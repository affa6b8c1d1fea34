"""Replacements that make training on a CPU faster and leave its results equal up to rounding.

Measured with `paddle.profiler` on a step of Fast-SCNN (4x3x256x256, 2 cores, Paddle 3.2.2): of 1350 ms, the gradient of
bilinear upsampling took 300, cross-entropy 210, and adding biases in front of batch norm with its gradient 200; all run
on one thread. Convolutions are the other half, and in the HRNets most of it; then comes batch norm (both:
`helpers.onednn`). A static graph was tried as well (2x3x256x512): 0.9 s a step, with oneDNN 2.1 s, where this takes
0.3 s. On a GPU none of it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial

import numba
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from paddleseg.models import layers
from paddleseg.models.backbones import hrnet, uhrnet

from helpers import onednn
from helpers.kernels import as_array

# PaddleSeg's layers of a convolution and a norm: whether a ReLU follows
_BLOCKS = {layers.ConvBN: False, layers.ConvBNReLU: True}
# Which of them stand in a row, so that nothing else reads what is between them.
_RUNS = {
    layers.SeparableConvBNReLU: ("depthwise_conv", "piontwise_conv"),
    **{module.BasicBlock: ("conv1", "conv2") for module in (hrnet, uhrnet)},
    **{module.BottleneckBlock: ("conv1", "conv2", "conv3") for module in (hrnet, uhrnet)},
}
_CHUNK = 4096  # pixels at a time: 19 float32 maps of them stay in the cache


@contextmanager
def fast_training(net: nn.Layer, own_blocks: bool = True) -> Iterator[None]:
    """Inside, `net` trains faster on the current device if that is a CPU; nothing changes on a GPU.

    `own_blocks=False` leaves batch norm to whom it belongs, as where processes share its statistics.
    """
    if not paddle.get_device().startswith("cpu"):
        yield
        return
    with _matrix_interpolation(), _own_convolutions(net), _own_blocks(net) if own_blocks else nullcontext():
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
        logits = logits.contiguous()
        ctx.gradient = paddle.empty(logits.shape)
        flat = (n, classes, height * width)
        loss = _cross_entropy(
            as_array(logits).reshape(flat),
            label.numpy().reshape(n, -1),
            weights.numpy(),
            ignore,
            as_array(ctx.gradient).reshape(flat),
        )
        return paddle.to_tensor(loss, "float32")

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> paddle.Tensor:
        factor = float(upstream)
        if factor == 1:
            return ctx.gradient
        return paddle.scale(ctx.gradient, factor)  # a product with a tensor of one value takes far longer


@numba.njit(parallel=True, cache=True)
def _cross_entropy(logits, label, weights, ignore, gradient):  # (N, C, P), (N, P), (C,), int, (N, C, P) -> float
    n, classes, pixels = logits.shape
    chunks = (pixels + _CHUNK - 1) // _CHUNK
    losses = np.zeros(n * chunks)
    norm = 0.0
    for i in range(n):
        for k in range(pixels):
            if label[i, k] != ignore:
                norm += weights[label[i, k]]
    norm = max(norm, 1e-12)
    # Chunks are summed in a fixed order below, so the result does not depend on the number of threads.
    for chunk in numba.prange(n * chunks):
        image, start = chunk // chunks, chunk % chunks * _CHUNK
        stop = min(start + _CHUNK, pixels)
        top = logits[image, 0, start:stop].copy()
        for c in range(1, classes):
            top = np.maximum(top, logits[image, c, start:stop])
        total = np.zeros(stop - start, dtype=np.float32)
        power = np.empty(stop - start, dtype=np.int32)
        for c in range(classes):
            share = gradient[image, c, start:stop]
            exp_to(logits[image, c, start:stop], top, power, share)
            total += share
        factor = np.zeros(stop - start, dtype=np.float32)
        for i in range(stop - start):
            true = label[image, start + i]
            if true != ignore:
                weight = weights[true]
                losses[chunk] += weight * (np.log(total[i]) + (top[i] - logits[image, true, start + i]))
                factor[i] = weight / (total[i] * norm)
        for c in range(classes):
            gradient[image, c, start:stop] *= factor
        for i in range(stop - start):
            true = label[image, start + i]
            if true != ignore:
                gradient[image, true, start + i] -= weights[true] / norm
    return losses.sum() / norm


@numba.njit(cache=True)
def exp_to(x, top, power, out):
    """Write exp(x - top) to `out`, all float32 (P,) with x <= top; `power` is int32 (P,) to work in.

    exp(d) = 2^k exp(r) with |r| <= ln(2) / 2, and exp(r) by its Taylor series to the seventh power: to 2e-7 of the
    value. Unlike a call of exp for each value, this is compiled to vector instructions.
    """
    for i in range(x.size):
        d = max(x[i] - top[i], np.float32(-87))  # below that, float32 has no normal numbers
        k = (d * np.float32(1.44269504) + np.float32(12582912)) - np.float32(12582912)  # rounds to a whole number
        r = (d - k * np.float32(0.693359375)) - k * np.float32(-2.12194440e-4)  # ln(2) in two parts
        series = np.float32(1 / 720) + r * np.float32(1 / 5040)
        series = np.float32(1 / 120) + r * series
        series = np.float32(1 / 24) + r * series
        series = np.float32(1 / 6) + r * series
        series = np.float32(1 / 2) + r * series
        out[i] = np.float32(1) + r * (np.float32(1) + r * series)
        power[i] = (np.int32(k) + np.int32(127)) << np.int32(23)  # the bits of the float32 2^k
    out *= power.view(np.float32)


@contextmanager
def fast_convolutions(net: nn.Layer) -> Iterator[None]:
    """Inside, the convolutions of `net` run faster on a CPU; its weights stay what they are."""
    if not paddle.get_device().startswith("cpu"):
        yield
        return
    fitting = [layer for layer in net.sublayers(include_self=True) if onednn.fits(layer)]
    with _forwards({layer: partial(_convolve, layer) for layer in fitting}):
        yield


@contextmanager
def _own_convolutions(net: nn.Layer) -> Iterator[None]:
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
    with fast_convolutions(net), _forwards(without_bias):
        yield


@contextmanager
def _own_blocks(net: nn.Layer) -> Iterator[None]:
    # The first of a run does the work of all, and those behind it hand on what they get.
    replacements: dict[nn.Layer, Callable] = {}
    for run in _runs(net):
        replacements[run[0]] = partial(_run_blocks, run)
        replacements |= {block: partial(_unless_done, run, block) for block in run[1:]}
    with _forwards(replacements):
        yield


def _runs(net: nn.Layer) -> list[list[nn.Layer]]:
    """Layers of a convolution and a norm, those together of which each is read by nothing but the next."""
    runs, seen = [], set()
    for layer in net.sublayers(include_self=True):  # those that contain others come first
        if isinstance(layer, nn.Sequential):
            run = list(layer)
        else:
            run = [getattr(layer, name, None) for name in _RUNS.get(type(layer), ())] or [layer]
        if layer not in seen and all(type(each) in _BLOCKS for each in run):
            seen.update(run)
            if all(onednn.fits_normalised(each._conv, each._batch_norm) for each in run):
                runs.append(run)
    return runs


def _run_blocks(run: list[nn.Layer], x: paddle.Tensor) -> paddle.Tensor:
    if not _is_trained(run, x):
        return type(run[0]).forward(run[0], x)
    return onednn.convolve_normalise([onednn.Block(b._conv, b._batch_norm, _BLOCKS[type(b)]) for b in run], x)


def _unless_done(run: list[nn.Layer], block: nn.Layer, x: paddle.Tensor) -> paddle.Tensor:
    return x if _is_trained(run, x) else type(block).forward(block, x)


def _is_trained(run: list[nn.Layer], x: paddle.Tensor) -> bool:
    return x.dtype == paddle.float32 and all(block._batch_norm.training for block in run)


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
