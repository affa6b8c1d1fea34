"""A convolution and the batch norm behind it, with its ReLU or without, by oneDNN.

Paddle's batch norm (3.2.2) runs on one thread and goes over each map several times.
"""

from __future__ import annotations

from ctypes import c_float

import paddle

from helpers.cpu.onednn import library
from helpers.cpu.onednn.convolution import Convolution
from helpers.cpu.onednn.library import Delivery, Layout, Numbers, Primitive, Rearrange, queried

_FORWARD_TRAINING, _BACKWARD = 64, 128  # dnnl_prop_kind_t
_SCALE, _SHIFT, _RELU = 2, 4, 8  # dnnl_normalization_flags_t


class Normalised:
    """Both for certain shapes: Ioffe and Szegedy 2015, algorithm 1.

    It takes maps in the layout `enters`, Paddle's if they are from there, and gives them in `layout`; `out` makes a
    tensor of the result, and `upstream` brings its gradient back.
    """

    def __init__(self, convolved: Convolution, epsilon: float, relu: bool, enters: Layout | None):
        """`enters`: the layout of what comes before; None is Paddle."""
        shape, channels = convolved.out_shape, convolved.out_shape[1]
        # oneDNN's quick kernels for norms want whole vectors of channels.
        layout = convolved.target if channels % 8 == 0 else library.in_blocks(shape)
        vector = library.plain([channels])
        self.layout, self._channels, self._convolved, self._is_first = layout, channels, convolved, enters is None
        self.enters = library.plain(convolved.x_shape) if enters is None else enters
        self._enter, self._leave = Rearrange(self.enters, convolved.source), Rearrange(convolved.source, self.enters)
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
