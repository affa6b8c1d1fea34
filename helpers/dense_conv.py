"""Dense 3x3 convolution with its gradients, for training on a CPU.

Paddle's eager kernel (3.2.2) copies every pixel nine times into a matrix that does not fit the cache, on one thread and
picture by picture, and then multiplies; for 256 to 18 channels of 32x64 pixels it reaches 10 GFLOP/s where the matrix
product alone reaches 100. `FLAGS_use_mkldnn` does not lead it to oneDNN. Here the pictures of a batch lie one below the
other, row after row, with one row and one column of zeros between them, so a step to a neighbour is an offset in memory
and the nine copies of a stretch of pixels are nine straight copies. They are made a piece at a time, which stays in the
cache, and multiplied there by the MKL of Paddle's wheel; the pieces are shared out among the cores.

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

from helpers.depthwise import has_geometry
from helpers.kernels import as_array, copy_line, wanted

_COLUMNS = 1 << 17  # float32 values of the nine-fold copy at a time: half a megabyte
_TILE = 256  # pixels at a time in the gradient
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


def fits(layer: nn.Layer) -> bool:
    """Whether `dense_conv` can stand in for this layer: 3x3 filters over all channels, padding 1 or "same"."""
    return has_geometry(layer) and layer._groups == 1 and layer._padding in (1, [1, 1], "same") and available()


def dense_conv(
    x: paddle.Tensor, weight: paddle.Tensor, stride: int, padding: int | str | list[int] = 1
) -> paddle.Tensor:
    """Convolve x (N, C, H, W) float32 with weight (O, C, 3, 3); equals `nn.functional.conv2d`.

    `padding` is 1 or "same", which with stride 2 and an even length is 0 before and 1 after, as in TensorFlow.
    Raises RuntimeError when this Paddle does not bring the library of matrix products.
    """
    if not available():  # also makes it known to the compiled code, which would crash without
        raise RuntimeError(f"no MKL was found beside Paddle in {Path(paddle.__file__).parent / 'libs'}")
    before_hw = [0 if padding == "same" and stride == 2 and length % 2 == 0 else 1 for length in x.shape[2:]]
    return _DenseConv.apply(x, weight, stride, before_hw)


class _DenseConv(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, stride: int, before_hw: list[int]) -> paddle.Tensor:
        n, channels, height, width = x.shape
        out_hw = [-(-height // stride), -(-width // stride)]
        rows, pitch = out_hw[0] + 1, out_hw[1] + 1
        planes = np.empty((channels, stride * stride * ((n * rows + 2) * pitch + 2)), np.float32)
        y = paddle.empty([n, weight.shape[0], *out_hw])
        _forward(as_array(x.contiguous()), as_array(weight), stride, *before_hw, planes, as_array(y))
        ctx.save_for_backward(weight)
        ctx.saved = planes, stride, before_hw, x.shape
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
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
            ctx.wanted[0],
            as_array(to_x),
            as_array(to_weight),
        )
        return wanted((to_x, to_weight), ctx.wanted)


@numba.njit(parallel=True, cache=True)
def _forward(x, weight, stride, before_y, before_x, planes, y):
    filters, channels = weight.shape[:2]
    rows, pitch = y.shape[2] + 1, y.shape[3] + 1
    _split(x, stride, before_y, before_x, rows, pitch, planes)
    starts = _starts(stride, pitch, planes)
    lines = y.shape[0] * rows
    high = max(1, min(lines, _COLUMNS // (channels * 9 * pitch)))
    tiles = (lines + high - 1) // high
    parts = min(filters, 4) if tiles < 4 else 1  # of the filters, where there are few tiles to share out
    share = (filters + parts - 1) // parts
    for job in numba.prange(tiles * parts):
        before = _set_threads(1)
        top, first = job // parts * high, job % parts * share
        here, count = min(high, lines - top), min(share, filters - first)
        if count > 0:
            length = here * pitch
            columns = np.empty((channels * 9, length), np.float32)
            for c in range(channels):
                for t in range(9):
                    start = starts[t] + top * pitch
                    copy_line(planes[c, start : start + length], columns[c * 9 + t])
            sums = np.empty((count, length), np.float32)
            _sgemm(
                _ROW_MAJOR, _PLAIN, _PLAIN, count, length, channels * 9,
                1, weight.ctypes.data + 4 * first * channels * 9, channels * 9, columns.ctypes.data, length,
                0, sums.ctypes.data, length,
            )  # fmt: skip
            for i in range(here):
                image, row = (top + i) // rows, (top + i) % rows
                if row < y.shape[2]:
                    for o in range(count):
                        copy_line(sums[o, i * pitch : (i + 1) * pitch], y[image, first + o, row])
        _set_threads(before)


@numba.njit(parallel=True, cache=True)
def _backward(planes, weight, stride, before_y, before_x, upstream, wants_x, to_x, to_weight):
    filters, channels = weight.shape[:2]
    n, _, height, width = upstream.shape
    rows, pitch = height + 1, width + 1
    pixels = n * rows * pitch
    gradient = np.empty((filters, pixels), np.float32)
    _split(upstream, 1, 0, 0, rows, pitch, gradient)
    starts = _starts(stride, pitch, planes)
    blocks = 2 * ((channels + 63) // 64)  # of the channels: each is written by one job alone
    share = (channels + blocks - 1) // blocks
    for block in numba.prange(blocks):
        before = _set_threads(1)
        first = block * share
        count = min(share, channels - first)
        if count > 0:
            columns = np.empty((count * 9, _TILE), np.float32)
            spread = np.zeros((count if wants_x else 0, planes.shape[1]), np.float32)
            for top in range(0, pixels, _TILE):
                length = min(_TILE, pixels - top)
                for c in range(count):
                    for t in range(9):
                        start = starts[t] + top
                        copy_line(planes[first + c, start : start + length], columns[c * 9 + t, :length])
                _sgemm(
                    _ROW_MAJOR, _PLAIN, _TRANSPOSED, filters, count * 9, length,
                    1, gradient.ctypes.data + 4 * top, pixels, columns.ctypes.data, _TILE,
                    0 if top == 0 else 1, to_weight.ctypes.data + 4 * first * 9, channels * 9,
                )  # fmt: skip
                if wants_x:
                    _sgemm(
                        _ROW_MAJOR, _TRANSPOSED, _PLAIN, count * 9, length, filters,
                        1, weight.ctypes.data + 4 * first * 9, channels * 9, gradient.ctypes.data + 4 * top, pixels,
                        0, columns.ctypes.data, _TILE,
                    )  # fmt: skip
                    for c in range(count):
                        for t in range(9):
                            line, met = columns[c * 9 + t], spread[c, starts[t] + top :]
                            for k in range(length):
                                met[k] += line[k]
            if wants_x:
                _join(spread, first, stride, before_y, before_x, rows, pitch, to_x)
        _set_threads(before)


@numba.njit(cache=True)
def _starts(stride, pitch, planes):
    # Where in the memory of one channel each tap of the first output pixel reads.
    starts = np.empty(9, np.int64)
    size = planes.shape[1] // (stride * stride)
    for dy in range(3):
        for dx in range(3):
            plane = dy % stride * stride + dx % stride
            starts[dy * 3 + dx] = plane * size + dy // stride * pitch + dx // stride
    return starts


@numba.njit(parallel=True, cache=True)
def _split(x, stride, before_y, before_x, rows, pitch, planes):
    # x (N, C, H, W) to planes (C, stride^2 times N pictures of rows x pitch, and zeros): element (a, b) in plane
    # (dy, dx) is the pixel (a * stride + dy - before_y, b * stride + dx - before_x), or zero outside of the picture.
    size = planes.shape[1] // (stride * stride)
    for c in numba.prange(x.shape[1]):
        planes[c] = 0
        for plane in range(stride * stride):
            for image in range(x.shape[0]):
                for a in range(rows):
                    y, first = a * stride + plane // stride - before_y, plane % stride - before_x
                    if 0 <= y < x.shape[2]:
                        skipped = 1 if first < 0 else 0  # column -1 is outside
                        line = x[image, c, y, skipped * stride + first :: stride]
                        start = plane * size + (image * rows + a) * pitch + skipped
                        copy_line(line, planes[c, start : start + line.size])


@numba.njit(cache=True)
def _join(planes, first_channel, stride, before_y, before_x, rows, pitch, x):
    # The way back of `_split`, for the channels of x from `first_channel` on.
    size = planes.shape[1] // (stride * stride)
    for c in range(planes.shape[0]):
        for plane in range(stride * stride):
            for image in range(x.shape[0]):
                for a in range(rows):
                    y, first = a * stride + plane // stride - before_y, plane % stride - before_x
                    if 0 <= y < x.shape[2]:
                        skipped = 1 if first < 0 else 0
                        line = x[image, first_channel + c, y, skipped * stride + first :: stride]
                        start = plane * size + (image * rows + a) * pitch + skipped
                        copy_line(planes[c, start : start + line.size], line)
