"""Dense 3x3 convolution with its gradients, for training on a CPU.

Paddle's eager kernel (3.2.2) first copies every pixel nine times into a matrix, on one thread, and then multiplies; for
256 to 18 channels of 32x64 pixels it reaches 10 GFLOP/s where the matrix product alone reaches 100. `FLAGS_use_mkldnn`
does not lead it to oneDNN. Here nothing is copied nine times: the pictures of a batch lie one below the other, row
after row, with one row and one column of zeros between them, so a step to a neighbour is an offset in memory, and each
of the nine taps is one matrix product of its weights with the same memory read from that offset. The products are those
of the MKL library inside Paddle's wheel, one thread each, and the pieces are shared out among the cores.

A stride of 2 splits each picture into four, by odd and even rows and columns; within each of them the stride is 1.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np
import paddle
from numba import types
from paddle import nn

from helpers.depthwise import as_array, has_geometry

_TILE = 1024  # pixels of one matrix product: its sums stay in the cache
_MIN_PIXELS = 512  # below, Paddle's kernel is as fast or faster (measured on planes of 2x4 to 64x128)
_MIN_CHANNELS = 16
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112  # CBLAS

_sgemm = types.ExternalFunction(
    "course_sgemm",
    types.void(*[types.int32] * 6, types.float32, types.intp, types.int32, types.intp, types.int32, types.float32,
               types.intp, types.int32),
)  # fmt: skip
_set_threads = types.ExternalFunction("course_set_threads", types.int32(types.int32))


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether Paddle's wheel brings the library of matrix products; makes it known to the compiled code below."""
    path = Path(paddle.__file__).parent / "libs" / "libmklml_intel.so"
    if not path.exists():
        return False
    library = ctypes.CDLL(str(path))
    for name, function in (
        ("course_sgemm", library.cblas_sgemm),
        ("course_set_threads", library.MKL_Set_Num_Threads_Local),
    ):
        llvmlite.binding.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
    return True


def fits(layer: nn.Layer, x: paddle.Tensor) -> bool:
    """Whether `dense_conv` can stand in for this layer at this input, and is faster.

    True for 3x3 filters over all channels, padding 1 or "same", stride 1 or 2, of a map that is not small.
    """
    return (
        has_geometry(layer)
        and layer._groups == 1
        and layer._padding in (1, [1, 1], "same")
        and layer._in_channels >= _MIN_CHANNELS
        and x.shape[2] * x.shape[3] >= _MIN_PIXELS * layer._stride[0] ** 2
        and available()
    )


def dense_conv(
    x: paddle.Tensor, weight: paddle.Tensor, stride: int, padding: int | str | list[int] = 1
) -> paddle.Tensor:
    """Convolve x (N, C, H, W) float32 with weight (O, C, 3, 3); equals `nn.functional.conv2d`.

    `padding` is 1 or "same", which with stride 2 and an even length is 0 before and 1 after, as in TensorFlow.
    """
    before_hw = [0 if padding == "same" and stride == 2 and length % 2 == 0 else 1 for length in x.shape[2:]]
    return _DenseConv.apply(x, weight, stride, before_hw)


class _DenseConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, stride: int, before_hw: list[int]) -> paddle.Tensor:
        n, channels, height, width = x.shape
        out_hw = [-(-height // stride), -(-width // stride)]
        rows, pitch = out_hw[0] + 1, out_hw[1] + 1
        planes = np.empty((channels, stride * stride, (n * rows + 2) * pitch + 2), np.float32)
        y = paddle.empty([n, weight.shape[0], *out_hw])
        _forward(as_array(x.contiguous()), as_array(weight), stride, *before_hw, planes, as_array(y))
        ctx.save_for_backward(weight)
        ctx.saved = planes, stride, before_hw, x.shape
        return y

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        (weight,) = ctx.saved_tensor()
        planes, stride, before_hw, shape = ctx.saved
        to_x, to_weight = paddle.empty(shape), paddle.empty(weight.shape)
        _backward(
            planes,
            as_array(weight),
            stride,
            *before_hw,
            as_array(upstream.contiguous()),
            as_array(to_x),
            as_array(to_weight),
        )
        return to_x, to_weight


@numba.njit(cache=True)
def _forward(x, weight, stride, before_y, before_x, planes, y):
    filters, channels = weight.shape[:2]
    rows, pitch = y.shape[2] + 1, y.shape[3] + 1
    _split(x, stride, before_y, before_x, rows, pitch, planes)
    taps, starts = np.empty((9, filters, channels), np.float32), np.empty(9, np.int64)
    for dy in range(3):
        for dx in range(3):
            taps[dy * 3 + dx] = weight[:, :, dy, dx]
            starts[dy * 3 + dx] = _start(dy, dx, stride, pitch, planes)
    _sum_of_taps(planes, taps, starts, rows, pitch, 1, 0, 0, y)


@numba.njit(cache=True)
def _backward(planes, weight, stride, before_y, before_x, upstream, to_x, to_weight):
    filters, channels = weight.shape[:2]
    n, _, height, width = upstream.shape
    rows, pitch = height + 1, width + 1
    gradient = np.empty((filters, 1, (n * rows + 2) * pitch + 2), np.float32)
    _split(upstream, 1, 1, 1, rows, pitch, gradient)
    _gradient_of_taps(planes, gradient, stride, pitch, n * rows * pitch, to_weight)
    for dy in range(stride):
        for dx in range(stride):
            # The pixels of x in one plane have met the taps (dy, dx), (dy + stride, dx) and so on.
            high, wide = (2 - dy) // stride + 1, (2 - dx) // stride + 1
            taps, starts = np.empty((high * wide, channels, filters), np.float32), np.empty(high * wide, np.int64)
            for i in range(high):
                for k in range(wide):
                    taps[i * wide + k] = weight[:, :, dy + i * stride, dx + k * stride].T
                    starts[i * wide + k] = (2 // stride - i) * pitch + 2 // stride - k
            first_y, first_x = (dy - before_y, dx - before_x) if stride == 2 else (0, 0)
            _sum_of_taps(gradient, taps, starts, rows, pitch, stride, first_y, first_x, to_x)


@numba.njit(cache=True)
def _start(dy, dx, stride, pitch, planes):
    # Where in the memory of one channel the tap (dy, dx) of the first output pixel reads.
    return (dy % stride * stride + dx % stride) * planes.shape[2] + dy // stride * pitch + dx // stride


@numba.njit(parallel=True, cache=True)
def _split(x, stride, before_y, before_x, rows, pitch, planes):
    # x (N, C, H, W) to planes (C, stride^2, N pictures of rows x pitch, and zeros): element (a, b) in plane (dy, dx) is
    # the pixel (a * stride + dy - before_y, b * stride + dx - before_x), or zero outside of the picture.
    n, channels, height, width = x.shape
    for c in numba.prange(channels):
        planes[c] = 0
        for dy in range(stride):
            for dx in range(stride):
                out = planes[c, dy * stride + dx]
                first = 1 if dx < before_x else 0  # column -1 is outside
                for image in range(n):
                    for a in range(rows):
                        y = a * stride + dy - before_y
                        if 0 <= y < height:
                            line = x[image, c, y, first * stride + dx - before_x :: stride]
                            start = (image * rows + a) * pitch + first
                            out[start : start + line.size] = line


@numba.njit(parallel=True, cache=True)
def _sum_of_taps(planes, taps, starts, rows, pitch, step, first_y, first_x, out):
    # For the element (a, b) of each picture of rows x pitch: the sum over t and c of taps[t, :, c] times what lies in
    # planes[c] at starts[t] from it. It goes to the pixel (a * step + first_y, b * step + first_x) of out (N, O, H, W).
    count, filters, channels = taps.shape
    channel_size = planes.shape[1] * planes.shape[2]
    lines = out.shape[0] * rows
    high = max(1, _TILE // pitch)
    skipped = 1 if first_x < 0 else 0
    for job in numba.prange((lines + high - 1) // high):
        before = _set_threads(1)
        top = job * high
        here = min(high, lines - top)
        length = here * pitch
        sums = np.empty((filters, length), np.float32)
        for t in range(count):
            _sgemm(
                _ROW_MAJOR, _PLAIN, _PLAIN, filters, length, channels,
                1, taps.ctypes.data + 4 * t * filters * channels, channels,
                planes.ctypes.data + 4 * (starts[t] + top * pitch), channel_size,
                0 if t == 0 else 1, sums.ctypes.data, length,
            )  # fmt: skip
        for i in range(here):
            image, y = (top + i) // rows, (top + i) % rows * step + first_y
            if 0 <= y < out.shape[2]:
                for o in range(filters):
                    line = out[image, o, y, skipped * step + first_x :: step]
                    line[:] = sums[o, i * pitch + skipped : i * pitch + skipped + line.size]
        _set_threads(before)


@numba.njit(parallel=True, cache=True)
def _gradient_of_taps(planes, gradient, stride, pitch, length, to_weight):
    # to_weight[:, c, dy, dx] = the sum over all pixels of the gradient times what the tap (dy, dx) read in planes[c].
    # One job sums over all of them, so the result does not depend on the number of threads.
    channels, filters = planes.shape[0], gradient.shape[0]
    for t in numba.prange(9):
        before = _set_threads(1)
        sums = np.empty((filters, channels), np.float32)
        _sgemm(
            _ROW_MAJOR, _PLAIN, _TRANSPOSED, filters, channels, length,
            1, gradient.ctypes.data + 4 * (pitch + 1), gradient.shape[2],
            planes.ctypes.data + 4 * _start(t // 3, t % 3, stride, pitch, planes), planes.shape[1] * planes.shape[2],
            0, sums.ctypes.data, channels,
        )  # fmt: skip
        to_weight[:, :, t // 3, t % 3] = sums
        _set_threads(before)
