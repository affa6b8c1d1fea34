"""Convolution, batch norm and ReLU as one operation, or several of them in a row, residual blocks among them.

Between them the maps stay in the layout that oneDNN is quick with.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import paddle
from paddle import nn

from helpers.cpu.arrays import as_array, wanted
from helpers.cpu.onednn import convolution, library
from helpers.cpu.onednn.library import Numbers
from helpers.cpu.onednn.normalised import Normalised
from helpers.cpu.onednn.residual import Residual


class Block(NamedTuple):
    """A convolution, without its bias, the batch norm behind it, in training, and whether a ReLU follows.

    `past`: how many blocks, this one included, the maps go past that are added before the ReLU; 0 is none.
    """

    convolution: nn.Conv2D
    norm: nn.BatchNorm2D
    relu: bool
    past: int = 0


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
    steps = tuple(
        (tuple(layer.weight.shape), convolution.geometry(layer), norm._epsilon, relu, past)
        for layer, norm, relu, past in blocks
    )
    parameters = [p for block in blocks for p in (block.convolution.weight, block.norm.weight, block.norm.bias)]
    return _Apply.apply(x, *parameters, row=_compiled(tuple(x.shape), steps), norms=[block.norm for block in blocks])


class _Apply(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, *parameters: paddle.Tensor, row: _Row, norms: list[nn.BatchNorm2D]):
        ctx.wanted = tuple(not tensor.stop_gradient for tensor in (x, *parameters))
        ctx.save_for_backward(*parameters)
        ctx.row = row
        with library.turn:
            result, ctx.kept = row.forward(x.contiguous(), list(_by_three(parameters)))
        for norm, kept in zip(norms, ctx.kept, strict=True):
            for running, now in zip((norm._mean, norm._variance), (kept["mean"], kept["variance"]), strict=True):
                running = as_array(running)
                running *= norm._momentum
                running += (1 - norm._momentum) * now.values
        return result

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        with library.turn:
            weights = list(_by_three(ctx.saved_tensor()))
            gradients = ctx.row.backward(upstream.contiguous(), ctx.kept, weights, ctx.wanted)
        return wanted(gradients, ctx.wanted)


def _by_three(values: Sequence) -> zip:
    return zip(values[::3], values[1::3], values[2::3], strict=True)


@lru_cache(maxsize=1024)
def _compiled(shape: tuple[int, ...], steps: tuple) -> _Row:
    with library.turn:
        return _Row(shape, steps)


class _Row:
    """Blocks one after the other, for maps of a certain shape."""

    def __init__(self, shape: tuple[int, ...], steps: tuple):
        self._links: list[Normalised] = []
        self._ends: dict[int, tuple[int, Residual]] = {}  # where a residual block ends: where it starts, and its sum
        for i, (filters, geometry, epsilon, relu, past) in enumerate(steps):
            convolved = convolution.compiled(shape, filters, *geometry, alone=False)
            enters = self._links[-1].layout if self._links else None
            self._links.append(Normalised(convolved, epsilon, relu and not past, enters))
            if past:
                start = i + 1 - past
                self._ends[i] = start, Residual(self._links[start].enters, self._links[i].layout)
            shape = convolved.out_shape

    def forward(self, x: paddle.Tensor, weights: list[tuple]) -> tuple[paddle.Tensor, list[dict[str, Numbers]]]:
        """The result, and what the gradient of each block needs."""
        numbers, starts, kept = x, [], []
        for i, link in enumerate(self._links):
            starts.append(numbers)
            numbers, found = link.forward(numbers, *weights[i])
            if i in self._ends:
                start, residual = self._ends[i]
                numbers = found["sum"] = residual.forward(numbers, starts[start])
            kept.append(found)
        return self._links[-1].out.tensor(numbers), kept

    def backward(
        self, upstream: paddle.Tensor, kept: list[dict[str, Numbers]], weights: list[tuple], needs: tuple[bool, ...]
    ) -> list[paddle.Tensor | None]:
        """The gradients for x and for the weights of each block; `needs`: which of x and those are wanted."""
        numbers, gradients = self._links[-1].upstream(upstream), []
        past: dict[int, list[tuple[Residual, Numbers]]] = {}  # gradients that went past the blocks up to this one
        for i in reversed(range(len(self._links))):
            if i in self._ends:
                start, residual = self._ends[i]
                numbers = residual.backward(numbers, kept[i]["sum"])
                past.setdefault(start, []).append((residual, numbers))
            needs_source = i > 0 or needs[0]
            numbers, *found = self._links[i].backward(
                numbers, kept[i], *weights[i][:2], needs_source=needs_source, needs_weight=needs[1 + 3 * i]
            )
            for residual, to_sum in past.pop(i, ()) if needs_source else ():
                residual.join(numbers, to_sum)
            gradients = found + gradients
        return [numbers, *gradients]
