"""Dense 3x3 convolution with its gradients, for training on a CPU.

Paddle's eager kernel (3.2.2) first copies every pixel nine times into a matrix, on one thread, and then multiplies; for
256 to 18 channels of 32x64 pixels it reaches 10 GFLOP/s where the matrix product alone reaches 100. `FLAGS_use_mkldnn`
does not lead it to oneDNN. Here nothing is copied nine times: in a plane that is stored row after row, with one zero
between the rows, a step to a neighbour is an offset, so each of the nine taps is one matrix product of its weights with
the same plane read from another offset. The products are those of the MKL library inside Paddle's wheel, one thread each,
and the pieces are shared out among the cores.

A stride of 2 splits the plane into four, by odd and even rows and columns; within each of them the stride is 1.
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
        filters = weight.shape[0]
        out_height, out_width = -(-height // stride), -(-width // stride)
        pitch = out_width + 1
        rows = out_height + 2 // stride
        planes = np.empty((n, channels, stride * stride * rows * pitch + pitch), np.float32)
        _split(as_array(x.contiguous()), stride, *before_hw, rows, pitch, planes)
        taps = np.ascontiguousarray(as_array(weight).reshape(filters, channels, 9).transpose(2, 0, 1))
        offsets = _offsets(stride, rows, pitch)
        y = paddle.empty([n, filters, out_height, out_width])
        _sum_of_taps(planes, taps, offsets, pitch, as_array(y))
        ctx.saved = planes, taps, offsets, pitch, rows, stride, before_hw, (height, width)
        return y

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        planes, taps, offsets, pitch, rows, stride, before_hw, (height, width) = ctx.saved
        n, filters, out_height, out_width = upstream.shape
        channels = planes.shape[1]
        gradient = np.empty((n, filters, (out_height + 3) * pitch), np.float32)
        _split(as_array(upstream.contiguous()), 1, 1, 1, out_height + 2, pitch, gradient)

        to_taps = np.empty((9, filters, channels), np.float32)
        _gradient_of_taps(planes, offsets, gradient, pitch + 1, out_height * pitch, to_taps)
        to_weight = np.ascontiguousarray(to_taps.transpose(1, 2, 0)).reshape(filters, channels, 3, 3)

        to_x = paddle.empty([n, channels, height, width])
        transposed = np.ascontiguousarray(taps.transpose(0, 2, 1))
        for dy in range(stride):
            for dx in range(stride):
                used = [(y, x) for y in range(dy, 3, stride) for x in range(dx, 3, stride)]
                picked = np.ascontiguousarray(transposed[[y * 3 + x for y, x in used]])
                back = 2 // stride
                offset = np.array([(back - y // stride) * pitch + back - x // stride for y, x in used])
                if stride == 1:
                    _sum_of_taps(gradient, picked, offset, pitch, as_array(to_x))
                else:
                    part = np.empty((n, channels, rows, pitch), np.float32)
                    _sum_of_taps(gradient, picked, offset, pitch, part)
                    _merge(part, dy, dx, *before_hw, as_array(to_x))
        return to_x, paddle.to_tensor(to_weight)


@lru_cache(maxsize=256)
def _offsets(stride: int, rows: int, pitch: int) -> np.ndarray:
    """int64 (9,): where in `_split`'s planes the tap (dy, dx) of the first output pixel reads."""
    return np.array(
        [
            ((dy % stride) * stride + dx % stride) * rows * pitch + dy // stride * pitch + dx // stride
            for dy in range(3)
            for dx in range(3)
        ]
    )


@numba.njit(parallel=True, cache=True)
def _split(x, stride, before_y, before_x, rows, pitch, planes):
    # (N, C, H, W) to (N, C, stride^2 planes of rows x pitch, and zeros): element (a, b) of plane (dy, dx) is the pixel
    # (a * stride + dy - before_y, b * stride + dx - before_x), or zero outside of the picture.
    n, channels, height, width = x.shape
    for job in numba.prange(n * channels):
        image, c = job // channels, job % channels
        out = planes[image, c]
        out[:] = 0
        for dy in range(stride):
            for dx in range(stride):
                first = 1 if dx < before_x else 0  # column -1 is outside
                for a in range(rows):
                    y = a * stride + dy - before_y
                    if 0 <= y < height:
                        line = x[image, c, y, first * stride + dx - before_x :: stride]
                        start = ((dy * stride + dx) * rows + a) * pitch + first
                        out[start : start + line.size] = line


@numba.njit(parallel=True, cache=True)
def _merge(part, dy, dx, before_y, before_x, x):
    # The inverse of `_split` for one of four planes.
    n, channels, height, width = x.shape
    for job in numba.prange(n * channels):
        image, c = job // channels, job % channels
        first = 1 if dx < before_x else 0
        for a in range(part.shape[2]):
            y = a * 2 + dy - before_y
            if 0 <= y < height:
                line = x[image, c, y, first * 2 + dx - before_x :: 2]
                line[:] = part[image, c, a, first : first + line.size]


@numba.njit(parallel=True, cache=True)
def _sum_of_taps(planes, taps, offsets, pitch, out):
    # out[n, o, y, x] = sum over t and c of taps[t, o, c] * planes[n, c, offsets[t] + y * pitch + x]
    n, channels, size = planes.shape
    filters = taps.shape[1]
    rows, columns = out.shape[2], out.shape[3]
    high = max(1, _TILE // pitch)
    tiles = (rows + high - 1) // high
    for job in numba.prange(n * tiles):
        before = _set_threads(1)
        image, top = job // tiles, job % tiles * high
        here = min(high, rows - top)
        length = here * pitch
        sums = np.empty((filters, length), np.float32)
        for t in range(offsets.size):
            start = image * channels * size + offsets[t] + top * pitch
            _sgemm(
                _ROW_MAJOR, _PLAIN, _PLAIN, filters, length, channels,
                1, taps.ctypes.data + 4 * t * filters * channels, channels,
                planes.ctypes.data + 4 * start, size,
                0 if t == 0 else 1, sums.ctypes.data, length,
            )  # fmt: skip
        for o in range(filters):
            for y in range(here):
                out[image, o, top + y] = sums[o, y * pitch : y * pitch + columns]
        _set_threads(before)


@numba.njit(parallel=True, cache=True)
def _gradient_of_taps(planes, offsets, gradient, start, length, out):
    # out[t, o, c] = sum over n and i of gradient[n, o, start + i] * planes[n, c, offsets[t] + i]; the gradient is zero
    # between its rows. One job sums over all images, in order, so the result does not depend on the number of threads.
    n, channels, size = planes.shape
    filters, wide = gradient.shape[1], gradient.shape[2]
    for t in numba.prange(offsets.size):
        before = _set_threads(1)
        for image in range(n):
            _sgemm(
                _ROW_MAJOR, _PLAIN, _TRANSPOSED, filters, channels, length,
                1, gradient.ctypes.data + 4 * (image * filters * wide + start), wide,
                planes.ctypes.data + 4 * (image * channels * size + offsets[t]), size,
                0 if image == 0 else 1, out.ctypes.data + 4 * t * filters * channels, channels,
            )  # fmt: skip
        _set_threads(before)
