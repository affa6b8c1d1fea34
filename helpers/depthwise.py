"""Depthwise 3x3 convolution with its gradients, for training on a CPU.

Paddle's CPU kernels for it, its own and oneDNN's alike, take 270 of the 616 ms of CPU time in a training step of
Fast-SCNN (2x3x256x512, one core, Paddle 3.2.2), for a hundredth of the multiply-accumulates. Here each plane of a
feature map fits the cache, and every loop runs along a row, so that the compiler can use whole vectors.
"""

from __future__ import annotations

import numba
import numpy as np
import paddle
from paddle import nn

from helpers.kernels import as_array, copy_line, wanted


def fits(layer: nn.Layer) -> bool:
    """Whether `depthwise_conv` can stand in for this layer: one 3x3 filter a channel, padding 1, stride 1 or 2."""
    return (
        has_geometry(layer)
        and layer._in_channels == layer._out_channels == layer._groups > 1
        and _pair(layer._padding) == [1, 1]
    )


def has_geometry(layer: nn.Layer) -> bool:
    """Whether this layer is a convolution by 3x3 filters with zero padding, stride 1 or 2 and no dilation."""
    return (
        isinstance(layer, nn.Conv2D)
        and list(layer._kernel_size) == [3, 3]
        and _pair(layer._dilation) == [1, 1]
        and _pair(layer._stride) in ([1, 1], [2, 2])
        and layer._padding_mode == "zeros"
    )


def _pair(value: int | list[int]) -> list[int]:
    return list(value) if isinstance(value, (list, tuple)) else [value, value]


def depthwise_conv(x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
    """Convolve x (N, C, H, W) float32 with weight (C, 1, 3, 3), zero padding 1; equals `nn.functional.conv2d`."""
    return _DepthwiseConv.apply(x, weight, stride)


class _DepthwiseConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, stride: int) -> paddle.Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        n, channels, height, width = x.shape
        y = paddle.empty([n, channels, -(-height // stride), -(-width // stride)])
        _forward(as_array(x), as_array(weight), stride, as_array(y))
        return y

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        x, weight = ctx.saved_tensor()
        to_x, to_weight = paddle.empty(x.shape), paddle.empty(weight.shape)
        upstream = upstream.contiguous()
        _backward(as_array(x), as_array(weight), ctx.stride, as_array(upstream), as_array(to_x), as_array(to_weight))
        return wanted((to_x, to_weight), ctx.wanted)


@numba.njit(fastmath=True, inline="always")
def _convolve_row(rows, y, taps, width, out):
    # out[x] for one row of a plane with a border of one pixel; nine multiplications with neighbouring values
    above, here, below = rows[y], rows[y + 1], rows[y + 2]
    for x in range(width):
        out[x] = (
            taps[0, 0] * above[x] + taps[0, 1] * above[x + 1] + taps[0, 2] * above[x + 2]
            + taps[1, 0] * here[x] + taps[1, 1] * here[x + 1] + taps[1, 2] * here[x + 2]
            + taps[2, 0] * below[x] + taps[2, 1] * below[x + 1] + taps[2, 2] * below[x + 2]
        )  # fmt: skip


@numba.njit(parallel=True, fastmath=True, cache=True)
def _forward(x, weight, stride, y):
    n, channels, height, width = x.shape
    for plane in numba.prange(n * channels):
        i, c = plane // channels, plane % channels
        padded = np.zeros((height + 2, width + 2), dtype=np.float32)
        for row in range(height):
            copy_line(x[i, c, row], padded[row + 1, 1:-1])
        line = np.empty(width, dtype=np.float32)
        for out_row in range(y.shape[2]):
            if stride == 1:
                _convolve_row(padded, out_row, weight[c, 0], width, y[i, c, out_row])
            else:
                _convolve_row(padded, out_row * stride, weight[c, 0], width, line)
                copy_line(line[::stride], y[i, c, out_row])


@numba.njit(parallel=True, fastmath=True, cache=True)
def _backward(x, weight, stride, upstream, to_x, to_weight):
    n, channels, height, width = x.shape
    for c in numba.prange(channels):
        flipped = weight[c, 0, ::-1, ::-1].copy()
        total = np.zeros((3, 3), dtype=np.float32)
        padded = np.zeros((height + 2, width + 2), dtype=np.float32)
        spread = np.zeros((height + 2, width + 2), dtype=np.float32)  # the gradient, zeros where the stride left out
        for i in range(n):
            for row in range(height):
                copy_line(x[i, c, row], padded[row + 1, 1:-1])
            for row in range(upstream.shape[2]):
                copy_line(upstream[i, c, row], spread[1 + row * stride, 1:-1:stride])
            for row in range(height):
                _convolve_row(spread, row, flipped, width, to_x[i, c, row])
            for row in range(0, height, stride):
                gradient = spread[row + 1, 1:]
                for dy in range(3):
                    line = padded[row + dy]
                    left = middle = right = np.float32(0)
                    for k in range(width):
                        left += gradient[k] * line[k]
                        middle += gradient[k] * line[k + 1]
                        right += gradient[k] * line[k + 2]
                    total[dy, 0] += left
                    total[dy, 1] += middle
                    total[dy, 2] += right
        to_weight[c, 0] = total
