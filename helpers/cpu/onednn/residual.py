"""The sum at the end of a residual block and its ReLU, by oneDNN: He et al. 2015, section 3.1."""

from __future__ import annotations

from ctypes import byref, c_float, c_void_p

from helpers.cpu.onednn import library
from helpers.cpu.onednn.library import Layout, Numbers, Primitive, Rearrange

_FORWARD_TRAINING, _ADD, _RELU, _RELU_FROM_RESULT = 64, 0x1FFF0, 0x20, 0x100  # dnnl_prop_kind_t, dnnl_alg_kind_t
_NO_SLOPE = c_float(0), c_float(0)


class Residual:
    """max(0, maps + start), where the maps lie in `layout` and what the block started from lies in `starts`."""

    def __init__(self, starts: Layout, layout: Layout):
        self._enter, self._leave = Rearrange(starts, layout), Rearrange(layout, starts)
        self._layout = layout
        self._add_and_cut = _sum(layout, _relu_behind())
        self._add = _sum(starts, None)
        forward = library.described("eltwise_forward", _FORWARD_TRAINING, _RELU, layout, layout, *_NO_SLOPE, None)
        backward = library.described(
            "eltwise_backward", _RELU_FROM_RESULT, layout, layout, layout, *_NO_SLOPE, forward, None
        )
        self._backward = Primitive(backward, {"target": layout, "to_target": layout, "to_source": layout})

    def forward(self, maps: Numbers, start: Numbers) -> Numbers:
        """The result, which takes the place of the maps."""
        self._add_and_cut(source=maps, other=self._enter(start), target=maps)
        return maps

    def backward(self, to_result: Numbers, result: Numbers) -> Numbers:
        """The gradient for the sum, which is that for both of its parts."""
        to_sum = self._layout.empty()
        self._backward(target=result, to_target=to_result, to_source=to_sum)
        return to_sum

    def join(self, to_start: Numbers, to_sum: Numbers) -> None:
        """Add to the gradient for the start, which came by way of the block, the one that came past it."""
        self._add(source=to_start, other=self._leave(to_sum), target=to_start)


def _sum(layout: Layout, attributes: c_void_p | None) -> Primitive:
    description = library.described("binary", _ADD, layout, layout, layout, attributes)
    return Primitive(description, {"source": layout, "other": layout, "target": layout})


def _relu_behind() -> c_void_p:
    steps, attributes = c_void_p(), c_void_p()
    library.call("dnnl_post_ops_create", byref(steps))
    library.call("dnnl_post_ops_append_eltwise", steps, _RELU, *_NO_SLOPE)
    library.call("dnnl_primitive_attr_create", byref(attributes))
    library.call("dnnl_primitive_attr_set_post_ops", attributes, steps)
    library.call("dnnl_post_ops_destroy", steps)
    return attributes
