"""Convolution, batch norm and ReLU as one operation, by oneDNN.

Between them the maps stay in the layout that oneDNN is quick with. Paddle's batch norm (3.2.2) runs on one thread and
goes over each map several times.
"""

from __future__ import annotations

from ctypes import c_float
from functools import lru_cache

import numpy as np
import paddle
from paddle import nn

from helpers.kernels import as_array, wanted
from helpers.onednn import convolution, library
from helpers.onednn.convolution import Convolution
from helpers.onednn.library import Delivery, Numbers, Primitive, Rearrange, queried

_FORWARD_TRAINING, _BACKWARD = 64, 128  # dnnl_prop_kind_t
_SCALE, _SHIFT, _RELU = 2, 4, 8  # dnnl_normalization_flags_t


def fits(layer: nn.Layer, norm: nn.Layer) -> bool:
    """Whether `convolve_normalise` can stand in for these two: the norm has weights, and takes a batch's statistics."""
    return (
        convolution.fits(layer)
        and isinstance(norm, nn.BatchNorm2D)
        and norm.weight is not None
        and norm.bias is not None
        and norm._data_format == "NCHW"
        and not norm._use_global_stats
    )


def convolve_normalise(layer: nn.Conv2D, norm: nn.BatchNorm2D, x: paddle.Tensor, relu: bool) -> paddle.Tensor:
    """What `norm` in training makes of the convolution of x, float32, without its bias; with `relu`, cut off at zero.

    The running statistics of `norm` are updated.
    """
    geometry = layer._stride, layer._padding, layer._dilation, layer._groups
    convolved = convolution.compiled(x, layer.weight, *geometry, alone=False)
    return _ConvolveNormalise.apply(
        x, layer.weight, norm.weight, norm.bias, convolved, _compiled(convolved, norm._epsilon, relu), norm
    )


class _ConvolveNormalise(paddle.autograd.PyLayer):
    # Ioffe and Szegedy 2015, algorithm 1, and its gradient
    @staticmethod
    def forward(ctx, x, weight, scale, shift, convolved: Convolution, normalised: Normalisation, norm: nn.BatchNorm2D):
        ctx.wanted = tuple(not tensor.stop_gradient for tensor in (x, weight, scale, shift))
        ctx.save_for_backward(weight, scale)
        ctx.operations = convolved, normalised
        with library.turn:
            target = convolved.target.empty()
            ctx.source = convolved.forward(x.contiguous(), weight, target)
            y, ctx.kept = normalised.forward(target, scale, shift)
        for running, now in zip((norm._mean, norm._variance), ctx.kept[1:3], strict=True):
            running = as_array(running)
            running *= norm._momentum
            running += (1 - norm._momentum) * now
        return y

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        weight, scale = ctx.saved_tensor()
        convolved, normalised = ctx.operations
        with library.turn:
            to_target, to_scale, to_shift = normalised.backward(upstream.contiguous(), scale, ctx.kept)
            gradients = convolved.backward(ctx.source, weight, to_target, ctx.wanted[:2])
        return wanted((*gradients, to_scale, to_shift), ctx.wanted)


@lru_cache(maxsize=1024)
def _compiled(*arguments) -> Normalisation:
    with library.turn:
        return Normalisation(*arguments)


class Normalisation:
    """Batch norm, with or without ReLU, of the result of a convolution."""

    def __init__(self, convolved: Convolution, epsilon: float, relu: bool):
        shape, channels = convolved.out_shape, convolved.out_shape[1]
        # oneDNN's quick kernels want whole vectors of channels.
        layout = convolved.target if channels % 8 == 0 else library.in_blocks(shape)
        vector = library.plain([channels])
        self._layout, self._channels = layout, channels
        self._in, self._out = Rearrange(convolved.target, layout), Delivery(layout, shape)
        self._upstream, self._back = Rearrange(library.plain(shape), layout), Rearrange(layout, convolved.target)
        flags = _SCALE | _SHIFT | (_RELU if relu else 0)
        rest = c_float(epsilon), flags
        forward = library.described("batch_normalization_forward", _FORWARD_TRAINING, layout, layout, *rest, None)
        backward = library.described(
            "batch_normalization_backward", _BACKWARD, layout, layout, layout, *rest, forward, None
        )
        self._workspace = queried(forward, "workspace") if relu else None
        workspace = {"workspace": self._workspace} if relu else {}
        statistics = {"mean": vector, "variance": vector, "scale": vector}
        self._forward = Primitive(
            forward, {"source": layout, "target": layout, "shift": vector, **statistics, **workspace}
        )
        gradients = {"to_source": layout, "to_scale": vector, "to_shift": vector}
        self._backward = Primitive(
            backward, {"source": layout, "to_target": layout, **statistics, **gradients, **workspace}
        )

    def forward(
        self, target: Numbers, scale: paddle.Tensor, shift: paddle.Tensor
    ) -> tuple[paddle.Tensor, tuple[Numbers, ...]]:
        """The result; and what its gradient needs: input, mean, variance, and with ReLU where it lets through."""
        kept = self._in(target), *np.empty((2, self._channels), np.float32)
        if self._workspace:
            kept += (self._workspace.empty(),)
        result = self._out.place()
        self._forward(scale=scale, shift=shift, target=result, **self._named(kept))
        return self._out.tensor(result), kept

    def backward(
        self, upstream: paddle.Tensor, scale: paddle.Tensor, kept: tuple[Numbers, ...]
    ) -> tuple[Numbers, paddle.Tensor, paddle.Tensor]:
        """The gradients for the result of the convolution, in its layout, and for scale and shift."""
        to_source = self._layout.empty()
        to_scale, to_shift = (paddle.empty([self._channels]) for _ in range(2))
        self._backward(
            to_target=self._upstream(upstream),
            scale=scale,
            to_source=to_source,
            to_scale=to_scale,
            to_shift=to_shift,
            **self._named(kept),
        )
        return self._back(to_source), to_scale, to_shift

    @staticmethod
    def _named(kept: tuple[Numbers, ...]) -> dict[str, Numbers]:
        return dict(zip(("source", "mean", "variance", "workspace"), kept, strict=False))
