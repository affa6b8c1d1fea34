"""Convolutions with their gradients by oneDNN, for training on a CPU.

Paddle's eager kernels (3.2.2) copy the pixels under a filter into a matrix, on one thread and picture by picture; and
`FLAGS_use_mkldnn` does not lead them to oneDNN. Its kernels are quickest where channels are stored together, so maps
and filters are rearranged on the way in and out (oneDNN's documentation: Convolution, Data Representation).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

import paddle
from paddle import nn

from helpers.cpu.onednn import library
from helpers.cpu.onednn.library import Delivery, Layout, Numbers, Primitive, Rearrange, queried

_FORWARD_TRAINING, _DIRECT = 64, 1  # dnnl_prop_kind_t, dnnl_alg_kind_t


def fits(layer: nn.Layer) -> bool:
    """Whether `conv2d` can stand in for this layer: a convolution with zeros around its input, or nothing."""
    return (
        isinstance(layer, nn.Conv2D)
        and layer._padding_mode == "zeros"
        and layer._data_format == "NCHW"
        and _known_padding(layer)
        and library.available()
    )


def _known_padding(layer: nn.Conv2D) -> bool:
    if layer._padding == "same":
        return _pair(layer._dilation) == (1, 1)  # Paddle forgets any other
    return [type(length) for length in _pair(layer._padding)] == [int, int]


def conv2d(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    stride: int | list[int] = 1,
    padding: int | list[int] | str = 0,
    dilation: int | list[int] = 1,
    groups: int = 1,
) -> paddle.Tensor:
    """Convolve x (N, C, H, W) float32 with weight (O, C / groups, kh, kw); equals `nn.functional.conv2d`.

    Numbers mean the same as there; "same" is as in TensorFlow, where an uneven rest of padding goes behind.
    Raises RuntimeError when this Paddle does not bring oneDNN, or oneDNN refuses the shapes.
    """
    library.require()
    stride, dilation = _pair(stride), _pair(dilation)
    if padding == "same":
        extents = zip(x.shape[2:], weight.shape[2:], stride, dilation, strict=True)
        pads = tuple(_same(*extent) for extent in extents)
    else:
        pads = tuple((length, length) for length in _pair(padding))
    return _Convolve.apply(x, weight, _compiled(tuple(x.shape), tuple(weight.shape), stride, pads, dilation, groups))


def _pair(value: int | list[int]) -> tuple:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


def _same(length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    missing = max(0, (-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length)
    return missing // 2, missing - missing // 2


class _Convolve(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, convolution: Convolution) -> paddle.Tensor:
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        ctx.save_for_backward(weight)
        ctx.convolution = convolution
        with library.turn:
            ctx.source = convolution.enter(x.contiguous())
            target = convolution.out.place()
            convolution.forward(ctx.source, weight, target)
            return convolution.out.tensor(target)

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        (weight,) = ctx.saved_tensor()
        with library.turn:
            to_target = ctx.convolution.upstream(upstream.contiguous())
            to_x = ctx.convolution.to_x(to_target, weight) if ctx.wanted[0] else None
            to_weight = ctx.convolution.to_weight(ctx.source, to_target) if ctx.wanted[1] else None
        return to_x, to_weight


@lru_cache(maxsize=1024)
def _compiled(*geometry) -> Convolution:
    with library.turn:
        return Convolution(*geometry)


class Convolution:
    """A convolution of certain shapes; its gradients are compiled when they are first asked for.

    It takes maps in the layout `source`, to which `enter` brings a tensor, and gives them in the layout `target`, of
    which `out` makes a tensor of shape `out_shape`; `upstream` brings the gradient of that back.
    """

    def __init__(self, x_shape, weight_shape, stride, pads, dilation, groups):
        n, channels, *size = x_shape
        filters, _, *kernel = weight_shape
        extents = zip(size, kernel, stride, pads, dilation, strict=True)
        out = [(length + sum(pad) - (k - 1) * d - 1) // s + 1 for length, k, s, pad, d in extents]
        self.out_shape = (n, filters, *out)
        self.x_shape, self._weight_shape = x_shape, weight_shape
        grouped = (groups, filters // groups, channels // groups, *kernel) if groups > 1 else weight_shape
        self._grouped = grouped
        self._any_weights, self._plain_weights = library.any_layout(grouped), library.plain(grouped)
        self._geometry = (
            library.lengths(stride),
            library.lengths(d - 1 for d in dilation),
            library.lengths(before for before, _ in pads),
            library.lengths(after for _, after in pads),
        )
        is_product = groups == 1 and tuple(kernel) == tuple(stride) == (1, 1) and pads == ((0, 0), (0, 0))
        layout = _layout(is_product, groups, channels, filters)
        self._hint = library.described(
            "convolution_forward", _FORWARD_TRAINING, _DIRECT, layout(x_shape), self._any_weights, None,
            layout(self.out_shape), *self._geometry, None,
        )  # fmt: skip
        # The gradients take maps in the layout that the forward pass has chosen.
        self.source, self.target = queried(self._hint, "source"), queried(self._hint, "target")
        weights = queried(self._hint, "weights")
        self._forward = Primitive(self._hint, {"source": self.source, "weights": weights, "target": self.target})
        self.enter = Rearrange(library.plain(x_shape), self.source)
        self._weights = Rearrange(self._plain_weights, weights)
        self.out = Delivery(self.target, self.out_shape)
        self.upstream = Rearrange(library.plain(self.out_shape), self.target)

    @cached_property
    def _data_gradient(self) -> tuple[Primitive, Rearrange, Delivery]:
        description = library.described(
            "convolution_backward_data", _DIRECT, self.source, self._any_weights, self.target, *self._geometry,
            self._hint, None,
        )  # fmt: skip
        weights = queried(description, "weights")
        primitive = Primitive(description, {"to_target": self.target, "weights": weights, "to_source": self.source})
        return primitive, Rearrange(self._plain_weights, weights), Delivery(self.source, self.x_shape)

    @cached_property
    def _weight_gradient(self) -> tuple[Primitive, Delivery]:
        description = library.described(
            "convolution_backward_weights", _DIRECT, self.source, self._any_weights, None, self.target,
            *self._geometry, self._hint, None,
        )  # fmt: skip
        weights = queried(description, "to_weights")
        primitive = Primitive(description, {"source": self.source, "to_target": self.target, "to_weights": weights})
        return primitive, Delivery(weights, self._weight_shape, self._grouped)

    def forward(self, source: Numbers, weight: paddle.Tensor, target: Numbers) -> None:
        """Write the convolution to `target`."""
        self._forward(source=source, weights=self._weights(weight), target=target)

    def to_source(self, to_target: Numbers, weight: paddle.Tensor, place: Numbers) -> Numbers:
        """The gradient for the maps, from that of the result, both as they are here; written to `place`."""
        primitive, rearrange, _ = self._data_gradient
        primitive(to_target=to_target, weights=rearrange(weight), to_source=place)
        return place

    def to_x(self, to_target: Numbers, weight: paddle.Tensor) -> paddle.Tensor:
        """The same as a tensor."""
        out = self._data_gradient[2]
        return out.tensor(self.to_source(to_target, weight, out.place()))

    def to_weight(self, source: Numbers, to_target: Numbers) -> paddle.Tensor:
        """The gradient for the filters."""
        primitive, out = self._weight_gradient
        place = out.place()
        primitive(source=source, to_target=to_target, to_weights=place)
        return out.tensor(place)


def _layout(is_product: bool, groups: int, channels: int, filters: int) -> Callable[[tuple[int, ...]], Layout]:
    if is_product:
        return library.plain  # matrices as they are
    if groups == 1 and (channels % 16 or filters % 16):
        return library.channels_last  # blocks of 16 channels would be filled up with zeros
    return library.any_layout
