"""Batch norm with the ReLU behind it, and their gradients, for training on a CPU.

Paddle's kernels (3.2.2) run on one thread and go over each map several times: once for the mean, for the variance, for
the result and for the ReLU, and again for the gradients. Here a core takes one channel of all pictures, which stays in
its cache, through all of it.
"""

from __future__ import annotations

import numba
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from helpers.kernels import as_array, wanted

_SUMS = {"reassoc", "contract", "nsz"}  # sums in any order; infinities and what is not a number are kept
_MIN_VALUES = 1 << 17  # of a map: below, Paddle's kernels are as fast
_ZERO, _LOWEST = np.float32(0), np.finfo(np.float32).min


def fits(layer: nn.Layer) -> bool:
    """Whether `batch_norm` can stand in for this layer: it has weights, and its statistics are those of the batch."""
    return (
        isinstance(layer, nn.BatchNorm2D)
        and layer.weight is not None
        and layer.bias is not None
        and layer._data_format == "NCHW"
        and not layer._use_global_stats
    )


def batch_norm(layer: nn.BatchNorm2D, x: paddle.Tensor, relu: bool) -> paddle.Tensor:
    """What `layer` makes of x (N, C, H, W), its running statistics updated; with `relu`, no value is below zero.

    In evaluation, for small maps, and in another precision than float32, Paddle does it.
    """
    if not layer.training or x.dtype != paddle.float32 or x.size < _MIN_VALUES:
        y = nn.BatchNorm2D.forward(layer, x)
        return F.relu(y) if relu else y
    return _BatchNorm.apply(x, layer.weight, layer.bias, layer, relu)


class _BatchNorm(paddle.autograd.PyLayer):
    # Ioffe and Szegedy 2015, algorithm 1, and its gradient
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, layer: nn.BatchNorm2D, relu: bool):
        x = x.contiguous()
        y = paddle.empty(x.shape)
        ctx.save_for_backward(x, weight, bias)
        ctx.relu = relu
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient, not bias.stop_gradient
        ctx.statistics = np.empty((2, x.shape[1]), np.float32)
        running = as_array(layer._mean), as_array(layer._variance)
        _forward(
            _pixels(x), as_array(weight), as_array(bias), layer._epsilon, relu, layer._momentum, *running,
            ctx.statistics, _pixels(y),
        )  # fmt: skip
        return y

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensor()
        gradients = paddle.empty(x.shape), paddle.empty(weight.shape), paddle.empty(bias.shape)
        to_x, to_weight, to_bias = gradients
        _backward(
            _pixels(x), as_array(weight), as_array(bias), ctx.relu, ctx.statistics, _pixels(upstream.contiguous()),
            _pixels(to_x), as_array(to_weight), as_array(to_bias),
        )  # fmt: skip
        return wanted(gradients, ctx.wanted)


def _pixels(maps: paddle.Tensor) -> np.ndarray:
    n, channels, height, width = maps.shape
    return as_array(maps).reshape(n, channels, height * width)


@numba.njit(parallel=True, fastmath=_SUMS, cache=True)
def _forward(x, weight, bias, epsilon, relu, momentum, running_mean, running_variance, statistics, y):
    n, channels, pixels = x.shape
    for c in numba.prange(channels):
        total = 0.0
        for i in range(n):
            here = _ZERO
            for k in range(pixels):
                here += x[i, c, k]
            total += here
        mean = np.float32(total / (n * pixels))
        total = 0.0
        for i in range(n):
            here = _ZERO
            for k in range(pixels):
                here += (x[i, c, k] - mean) * (x[i, c, k] - mean)
            total += here
        variance = total / (n * pixels)
        inverse = np.float32(1 / np.sqrt(variance + epsilon))
        gain, shift = weight[c] * inverse, bias[c]
        floor = _ZERO if relu else _LOWEST
        for i in range(n):
            line = y[i, c]
            for k in range(pixels):
                value = (x[i, c, k] - mean) * gain + shift
                line[k] = floor if value < floor else value  # what is not a number stays so
        statistics[0, c], statistics[1, c] = mean, inverse
        running_mean[c] = momentum * running_mean[c] + (1 - momentum) * mean
        running_variance[c] = momentum * running_variance[c] + (1 - momentum) * variance


@numba.njit(parallel=True, fastmath=_SUMS, cache=True)
def _backward(x, weight, bias, relu, statistics, upstream, to_x, to_weight, to_bias):
    n, channels, pixels = x.shape
    for c in numba.prange(channels):
        mean, inverse = statistics[0, c], statistics[1, c]
        gain, shift = weight[c] * inverse, bias[c]
        floor = _ZERO if relu else _LOWEST
        of_one, of_normal = 0.0, 0.0
        for i in range(n):
            one, normal = _ZERO, _ZERO
            for k in range(pixels):
                centred = x[i, c, k] - mean
                passed = upstream[i, c, k] if centred * gain + shift > floor else _ZERO
                one += passed
                normal += passed * centred
            of_one += one
            of_normal += normal * inverse
        to_bias[c], to_weight[c] = of_one, of_normal
        # The mean of the gradient over all, and of its product with the normalised values, are taken away.
        flat = np.float32(of_one / (n * pixels))
        steep = np.float32(of_normal / (n * pixels)) * inverse
        for i in range(n):
            line = to_x[i, c]
            for k in range(pixels):
                centred = x[i, c, k] - mean
                passed = upstream[i, c, k] if centred * gain + shift > floor else _ZERO
                line[k] = gain * (passed - flat - centred * steep)
