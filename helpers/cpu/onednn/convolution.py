"""Convolutions and their gradients by oneDNN, for training on a CPU.

Paddle's eager kernels (3.2.2) copy the pixels under a filter into a matrix, on one thread and image by image, and
`FLAGS_use_mkldnn` does not dispatch them to oneDNN. oneDNN's kernels are fastest where the channels of a pixel are
stored together, so feature maps and filters are reordered on the way in and out (oneDNN's documentation: Convolution,
Data Representation).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

import paddle
import paddle.nn.functional as F
from paddle import nn

from helpers.cpu.arrays import require_cpu
from helpers.cpu.onednn import library
from helpers.cpu.onednn.library import Array, MemoryDescriptor, Output, Primitive, Reorder

_FORWARD_TRAINING, _DIRECT = 64, 1  # dnnl_prop_kind_t, dnnl_alg_kind_t


def fits(layer: nn.Layer) -> bool:
    """Return whether `conv2d` computes this layer: a convolution that pads its input with zeros or not at all."""
    return (
        isinstance(layer, nn.Conv2D)
        and layer._padding_mode == "zeros"
        and layer._data_format == "NCHW"
        and _known_padding(layer)
        and library.available()
    )


def _known_padding(layer: nn.Conv2D) -> bool:
    if layer._padding == "same":
        return _pair(layer._dilation) == (1, 1)  # Paddle ignores any other dilation here
    return [type(length) for length in _pair(layer._padding)] == [int, int]


def conv2d(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    stride: int | list[int] = 1,
    padding: int | list[int] | str = 0,
    dilation: int | list[int] = 1,
    groups: int = 1,
) -> paddle.Tensor:
    """Convolve feature maps with filters like `paddle.nn.functional.conv2d`, without a bias.

    Parameters
    ----------
    x : paddle.Tensor
        Feature maps (N, C, H, W), float32.
    weight : paddle.Tensor
        Filters (O, C / groups, kh, kw), float32.
    stride, dilation : int or list of int, default 1
        Height and width, in pixels.
    padding : int, list of int or "same", default 0
        Height and width, in pixels. "same" pads as TensorFlow does: of an odd number of lines, the larger half goes
        to the bottom and the right.
    groups : int, default 1
        Number of groups of channels.

    Returns
    -------
    paddle.Tensor
        Feature maps (N, O, H', W'), float32.

    Raises
    ------
    RuntimeError
        If this build of Paddle ships no oneDNN, or oneDNN rejects the shapes.
    ValueError
        If a tensor is not on the CPU.
    """
    library.require()
    require_cpu(x, weight)
    stride, dilation = _pair(stride), _pair(dilation)
    if padding == "same":
        axes = zip(x.shape[2:], weight.shape[2:], stride, dilation, strict=True)
        pads = tuple(_same(*axis) for axis in axes)
    else:
        pads = tuple((length, length) for length in _pair(padding))
    convolution = _compiled(tuple(x.shape), tuple(weight.shape), stride, pads, dilation, groups)
    if convolution is None:
        return F.conv2d(x, weight, None, stride, padding, dilation, groups)
    return _Conv2D.apply(x, weight, convolution)


def _pair(value: int | list[int]) -> tuple:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


def _same(length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    missing = max(0, (-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length)
    return missing // 2, missing - missing // 2


class _Conv2D(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, convolution: Convolution) -> paddle.Tensor:
        ctx.needs_gradient = not x.stop_gradient, not weight.stop_gradient
        ctx.save_for_backward(weight)
        ctx.convolution = convolution
        with library.lock:
            ctx.src = convolution.reorder_src(x.contiguous())
            return convolution.forward(ctx.src, weight)

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        (weight,) = ctx.saved_tensor()
        needs_x, needs_weight = ctx.needs_gradient
        with library.lock:
            diff_dst = ctx.convolution.reorder_dst(upstream.contiguous())
            return (
                ctx.convolution.backward_data(diff_dst, weight) if needs_x else None,
                ctx.convolution.backward_weights(ctx.src, diff_dst) if needs_weight else None,
            )


@lru_cache(maxsize=1024)
def _compiled(x_shape, weight_shape, stride, pads, dilation, groups) -> Convolution | None:
    """Return the convolution in the first format for which all its primitives are fast; None if there is none.

    Which formats that are depends on the processor: with AVX2 but no AVX-512, the gradient of the filters on maps of
    2x4 pixels is 100 times slower channels last than in blocks.
    """
    with library.lock:
        for maps in _formats(x_shape[1], weight_shape, stride, pads, groups):
            convolution = Convolution(x_shape, weight_shape, stride, pads, dilation, groups, maps)
            if not convolution.is_reference:
                return convolution
    return None


def _formats(channels, weight_shape, stride, pads, groups) -> list[Callable]:
    """The formats of the feature maps, the most promising first."""
    filters, _, *kernel = weight_shape
    if groups == 1 and tuple(kernel) == stride == (1, 1) and pads == ((0, 0), (0, 0)):
        first = library.plain  # a product of matrices needs no reorder
    elif groups == 1 and (channels % 16 or filters % 16):
        first = library.channels_last  # blocks of 16 channels would be filled up with zeros
    else:
        first = library.any_format
    return [first, *(each for each in (library.any_format, library.channels_last, library.plain) if each is not first)]


class Convolution:
    """The three primitives of a convolution of given shapes; those of the gradients are compiled at their first use.

    `is_reference`: whether oneDNN has only slow reference code for one of them.

    `reorder_src` and `reorder_dst` bring a tensor of the input's and of the output's shape into oneDNN's format.
    """

    def __init__(
        self,
        x_shape: tuple[int, ...],
        weight_shape: tuple[int, ...],
        stride: tuple[int, int],
        pads: tuple[tuple[int, int], ...],
        dilation: tuple[int, int],
        groups: int,
        maps: Callable,
    ):
        """Compile the forward primitive.

        Parameters
        ----------
        x_shape, weight_shape : tuple of int
            (N, C, H, W) and (O, C / groups, kh, kw).
        stride, dilation : tuple of int
            Height and width, in pixels.
        pads : tuple of tuple of int
            Lines of zeros at (top, bottom) and (left, right).
        groups : int
            Number of groups of channels.
        maps : callable
            Format of the feature maps, a function of `library` such as `channels_last`.
        """
        n, channels, *size = x_shape
        filters, _, *kernel = weight_shape
        axes = zip(size, kernel, stride, pads, dilation, strict=True)
        y_size = [(length + sum(pad) - (k - 1) * d - 1) // s + 1 for length, k, s, pad, d in axes]
        y_shape = (n, filters, *y_size)
        self._x_shape, self._weight_shape = x_shape, weight_shape
        # oneDNN gives the groups an axis of their own.
        self._weight_dims = (groups, filters // groups, channels // groups, *kernel) if groups > 1 else weight_shape
        self._geometry = (
            library.dims(stride),
            library.dims(d - 1 for d in dilation),  # oneDNN counts the pixels that are left out between two weights
            library.dims(before for before, _ in pads),
            library.dims(after for _, after in pads),
        )
        self._hint = library.primitive_descriptor(
            "convolution_forward", _FORWARD_TRAINING, _DIRECT, maps(x_shape), library.any_format(self._weight_dims),
            None, maps(y_shape), *self._geometry, None,
        )  # fmt: skip
        # The gradients keep the formats that the forward pass has chosen for the feature maps.
        self._src, self._dst = library.query(self._hint, "src"), library.query(self._hint, "dst")
        weights = library.query(self._hint, "weights")
        self._forward = Primitive(self._hint, {"src": self._src, "weights": weights, "dst": self._dst})
        self._reorder_weights = self._weights_to(weights)
        self._y = Output(self._dst, y_shape)
        self.reorder_src = Reorder(library.plain(x_shape), self._src)
        self.reorder_dst = Reorder(library.plain(y_shape), self._dst)
        self._data = library.primitive_descriptor(
            "convolution_backward_data", _DIRECT, self._src, library.any_format(self._weight_dims), self._dst,
            *self._geometry, self._hint, None,
        )  # fmt: skip
        self._weights = library.primitive_descriptor(
            "convolution_backward_weights", _DIRECT, self._src, library.any_format(self._weight_dims), None, self._dst,
            *self._geometry, self._hint, None,
        )  # fmt: skip
        self.is_reference = any(map(library.is_reference, (self._hint, self._data, self._weights)))

    def _weights_to(self, descriptor: MemoryDescriptor) -> Reorder:
        return Reorder(library.plain(self._weight_dims), descriptor)

    @cached_property
    def _backward_data(self) -> tuple[Primitive, Reorder, Output]:
        weights = library.query(self._data, "weights")
        primitive = Primitive(self._data, {"diff_dst": self._dst, "weights": weights, "diff_src": self._src})
        return primitive, self._weights_to(weights), Output(self._src, self._x_shape)

    @cached_property
    def _backward_weights(self) -> tuple[Primitive, Output]:
        weights = library.query(self._weights, "diff_weights")
        primitive = Primitive(self._weights, {"src": self._src, "diff_dst": self._dst, "diff_weights": weights})
        return primitive, Output(weights, self._weight_shape, self._weight_dims)

    def forward(self, src: Array, weight: paddle.Tensor) -> paddle.Tensor:
        """Convolve `src`, which `reorder_src` returned."""
        dst = self._y.allocate()
        self._forward(src=src, weights=self._reorder_weights(weight), dst=dst)
        return self._y.tensor(dst)

    def backward_data(self, diff_dst: Array, weight: paddle.Tensor) -> paddle.Tensor:
        """Return the gradient of the input from the gradient of the output, which `reorder_dst` returned."""
        primitive, reorder_weights, output = self._backward_data
        diff_src = output.allocate()
        primitive(diff_dst=diff_dst, weights=reorder_weights(weight), diff_src=diff_src)
        return output.tensor(diff_src)

    def backward_weights(self, src: Array, diff_dst: Array) -> paddle.Tensor:
        """Return the gradient of the filters from `src` and from the gradient of the output."""
        primitive, output = self._backward_weights
        diff_weights = output.allocate()
        primitive(src=src, diff_dst=diff_dst, diff_weights=diff_weights)
        return output.tensor(diff_weights)
