"""Convolution, batch norm and ReLU as one operation, or several of them in a row, by oneDNN.

Between them the maps stay in the layout that oneDNN is quick with. Paddle's batch norm (3.2.2) runs on one thread and
goes over each map several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_float
from functools import lru_cache
from typing import NamedTuple

import paddle
from paddle import nn

from helpers.kernels import as_array, wanted
from helpers.onednn import convolution, library
from helpers.onednn.convolution import Convolution
from helpers.onednn.library import Delivery, Numbers, Primitive, Rearrange, queried

_FORWARD_TRAINING, _BACKWARD = 64, 128  # dnnl_prop_kind_t
_SCALE, _SHIFT, _RELU = 2, 4, 8  # dnnl_normalization_flags_t


class Block(NamedTuple):
    """A convolution, without its bias, the batch norm behind it, in training, and whether a ReLU follows."""

    convolution: nn.Conv2D
    norm: nn.BatchNorm2D
    relu: bool


def fits(layer: nn.Layer, norm: nn.Layer) -> bool:
    """Whether these two can be of a Block: the norm has weights, and takes a batch's statistics."""
    return (
        convolution.fits(layer)
        and isinstance(norm, nn.BatchNorm2D)
        and norm.weight is not None
        and norm.bias is not None
        and norm._data_format == "NCHW"
        and not norm._use_global_stats
    )


def convolve_normalise(blocks: Sequence[Block], x: paddle.Tensor) -> paddle.Tensor:
    """What the blocks, one after the other, make of x (N, C, H, W) float32; their running statistics are updated."""
    shape, links = tuple(x.shape), []
    for block in blocks:
        layer, norm = block.convolution, block.norm
        geometry = layer._stride, layer._padding, layer._dilation, layer._groups
        convolved = convolution.compiled(shape, layer.weight, *geometry, alone=False)
        links.append(_compiled(convolved, norm._epsilon, block.relu, links[-1] if links else None))
        shape = convolved.out_shape
    parameters = [p for block in blocks for p in (block.convolution.weight, block.norm.weight, block.norm.bias)]
    return _Run.apply(x, *parameters, links=links, norms=[block.norm for block in blocks])


class _Run(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, *parameters: paddle.Tensor, links: list[Link], norms: list[nn.BatchNorm2D]):
        ctx.wanted = tuple(not tensor.stop_gradient for tensor in (x, *parameters))
        ctx.save_for_backward(*parameters)
        ctx.links, ctx.kept = links, []
        with library.turn:
            numbers = x.contiguous()
            for link, norm, weights in zip(links, norms, _by_three(parameters), strict=True):
                numbers, kept = link.forward(numbers, *weights)
                ctx.kept.append(kept)
                for running, now in zip((norm._mean, norm._variance), (kept["mean"], kept["variance"]), strict=True):
                    running = as_array(running)
                    running *= norm._momentum
                    running += (1 - norm._momentum) * now.values
            return links[-1].out.tensor(numbers)

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        weights = list(_by_three(ctx.saved_tensor()))
        needs = list(_by_three(ctx.wanted[1:]))
        gradients = []
        with library.turn:
            numbers = ctx.links[-1].upstream(upstream.contiguous())
            for i in reversed(range(len(ctx.links))):
                needs_source = i > 0 or ctx.wanted[0]
                numbers, *found = ctx.links[i].backward(
                    numbers, ctx.kept[i], *weights[i][:2], needs_source=needs_source, needs_weight=needs[i][0]
                )
                gradients = found + gradients
        return wanted((numbers, *gradients), ctx.wanted)


def _by_three(values: Sequence) -> zip:
    return zip(values[::3], values[1::3], values[2::3], strict=True)


@lru_cache(maxsize=1024)
def _compiled(*arguments) -> Link:
    with library.turn:
        return Link(*arguments)


class Link:
    """A block for certain shapes, with the way in from the block before it, or from Paddle.

    Ioffe and Szegedy 2015, algorithm 1. `out` makes a tensor of the result, and `upstream` brings its gradient back.
    """

    def __init__(self, convolved: Convolution, epsilon: float, relu: bool, before: Link | None):
        shape, channels = convolved.out_shape, convolved.out_shape[1]
        # oneDNN's quick kernels for norms want whole vectors of channels.
        layout = convolved.target if channels % 8 == 0 else library.in_blocks(shape)
        vector = library.plain([channels])
        self.layout, self._channels, self._convolved, self._is_first = layout, channels, convolved, before is None
        enters = library.plain(convolved.x_shape) if before is None else before.layout
        self._enter, self._leave = Rearrange(enters, convolved.source), Rearrange(convolved.source, enters)
        self._onward, self._back = Rearrange(convolved.target, layout), Rearrange(layout, convolved.target)
        self.out, self.upstream = Delivery(layout, shape), Rearrange(library.plain(shape), layout)
        rest = c_float(epsilon), _SCALE | _SHIFT | (_RELU if relu else 0)
        forward = library.described("batch_normalization_forward", _FORWARD_TRAINING, layout, layout, *rest, None)
        backward = library.described(
            "batch_normalization_backward", _BACKWARD, layout, layout, layout, *rest, forward, None
        )
        kept = {"source": layout, "mean": vector, "variance": vector}
        if relu:
            kept["workspace"] = queried(forward, "workspace")  # where it lets through
        self._kept = kept
        self._forward = Primitive(forward, {**kept, "scale": vector, "shift": vector, "target": layout})
        gradients = {"to_source": layout, "to_scale": vector, "to_shift": vector}
        self._backward = Primitive(backward, {**kept, "scale": vector, "to_target": layout, **gradients})

    def forward(
        self, numbers: Numbers, weight: paddle.Tensor, scale: paddle.Tensor, shift: paddle.Tensor
    ) -> tuple[Numbers, dict[str, Numbers]]:
        """The result, and what its gradient needs."""
        convolved, target = self._convolved, self._convolved.target.empty()
        entered = self._enter(numbers)
        convolved.forward(entered, weight, target)
        kept = {name: layout.empty() for name, layout in self._kept.items() if name != "source"}
        kept["source"] = self._onward(target)
        result = self.layout.empty()
        self._forward(scale=scale, shift=shift, target=result, **kept)
        return result, {**kept, "entered": entered}

    def backward(
        self,
        to_result: Numbers,
        kept: dict[str, Numbers],
        weight: paddle.Tensor,
        scale: paddle.Tensor,
        *,
        needs_source: bool,
        needs_weight: bool,
    ) -> tuple[Numbers | paddle.Tensor | None, ...]:
        """The gradients for what came in, as a tensor if from Paddle, and for weight, scale and shift."""
        to_normalised = self.layout.empty()
        to_scale, to_shift = (library.tensor([self._channels]) for _ in range(2))
        statistics = {name: kept[name] for name in self._kept}
        self._backward(
            to_target=to_result, scale=scale, to_source=to_normalised, to_scale=to_scale, to_shift=to_shift,
            **statistics,
        )  # fmt: skip
        to_target, convolved = self._back(to_normalised), self._convolved
        to_source = None
        if needs_source:
            to_source = (
                convolved.to_x(to_target, weight)
                if self._is_first
                else self._leave(convolved.to_source(to_target, weight, convolved.source.empty()))
            )
        to_weight = convolved.to_weight(kept["entered"], to_target) if needs_weight else None
        return to_source, to_weight, to_scale, to_shift
