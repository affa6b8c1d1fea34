"""Find coupled channels: follow them through the graph of a network in one pass.

PaddleSlim 2.6 has the graph (`paddleslim.core.GraphWrapper`) and workers that traverse it once per filter
(`paddleslim.prune.prune_worker`). This module uses its graph, but not its traversal:
- it stops at `concat`, for which version 2.x has no worker (PaddleSlim's own page `docs/zh_cn/api_cn/prune_api.rst`
  lists the operators). Concatenated channels, and all channels added to them, could not be removed: in Fast-SCNN the
  last bottlenecks and the pyramid, in U-Net every encoder stage;
- it takes 56 s for U-HRNet-W18-small and 208 s for HRNet-W18-small-v2, since a variable finds its operators by
  searching the whole graph. One pass in order takes half a second.
`tests/pruning/test_coupling.py` compares the two on the groups that both find.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from paddle import nn

from helpers import paddle_compat
from helpers.models.modes import device_of
from helpers.models.pruned import Member

# PaddleSlim writes its example input into the program value by value, so tracing a large one takes seconds. The size
# does not change the coupling.
_TRACE_HW = (128, 256)

# Operators that keep the order of channels, from input "X" to output "Out".
_SAME_CHANNELS = {
    *("relu", "relu6", "leaky_relu", "sigmoid", "swish", "hard_swish", "hard_sigmoid", "gelu", "scale", "assign"),
    *("pool2d", "bilinear_interp_v2", "nearest_interp_v2", "dropout", "cast"),
}
_NORMS = {"batch_norm", "sync_batch_norm"}
_ADDITIONS = {"elementwise_add", "elementwise_sub", "elementwise_mul"}
_READS_SHAPE = {"shape"}


@dataclass(frozen=True)
class Coupled:
    """A group of `channels` channels that are removed together; the filters of convolution `master` are ranked."""

    master: str
    channels: int
    members: tuple[Member, ...]


def coupled_channels(net: nn.Layer) -> list[Coupled]:
    """Find the groups of channels of `net` that can be removed, in the order of their master convolutions.

    Follow channels through batch norm, activations, pooling, resizing, depthwise convolutions, additions and
    concatenations, into each convolution that reads them. Leave out channels that the structure fixes: the outputs of
    the network, and inputs of any other operator, such as a grouped convolution or pooling across channels. Tensors are
    named by their path in the network.
    """
    with device_of(net), paddle_compat.slim_guard():
        from paddleslim.core import GraphWrapper, dygraph2program

        graph = GraphWrapper(dygraph2program(net, inputs=[1, 3, *_TRACE_HW], dtypes=["float32"]))
    paths = {parameter.name: path for path, parameter in net.named_parameters()}
    paths |= {buffer.name: path for path, buffer in net.named_buffers()}
    return list(_Followed(graph, paths).groups())


class _Followed:
    """One pass over the operators. Every channel of every variable has an id; union-find merges coupled ones."""

    def __init__(self, graph: Any, paths: dict[str, str]):
        self._paths = paths
        self._same: list[int] = []  # union-find: the parent of each id, itself at the root
        self._locked: list[int] = []
        self._channels: dict[str, np.ndarray] = {}  # by variable: the id of each channel
        self._biases: dict[str, str] = {}  # by variable: the parameter that it reshapes
        self._tensors: dict[tuple[str, int], np.ndarray] = {}  # by parameter and axis
        self._masters: list[str] = []
        read = set()
        for operator in graph.ops():
            self._follow(operator)
            read |= {variable.name() for variable in operator.all_inputs()}
        for name, channels in self._channels.items():
            if name not in read:  # an output of the network
                self._locked.extend(channels)

    def groups(self) -> Iterator[Coupled]:
        locked = {self._root(number) for number in self._locked}
        found: dict[int, list[tuple[str, int, int]]] = defaultdict(list)  # by root: positions of the channel
        for (tensor, axis), numbers in self._tensors.items():
            for position, number in enumerate(numbers):
                found[self._root(number)].append((tensor, axis, position))
        # Channels in the same axes of the same tensors form a group.
        together: dict[tuple, list[list[tuple[str, int, int]]]] = defaultdict(list)
        for root, where in found.items():
            if root not in locked:
                together[tuple((tensor, axis) for tensor, axis, _ in where)].append(where)
        groups = []
        for tensors, channels in together.items():
            positions = np.array([[position for _, _, position in where] for where in channels])  # (channels, tensors)
            members = [*self._members(tensors, positions)]
            masters = [m for m in members if m.axis == 0 and m.tensor in self._masters]
            numbers = np.arange(len(channels))
            expected = [member.positions(numbers).reshape(len(channels), -1) for member in members]
            # A group out of order is left out; no network of this course has one.
            if masters and np.array_equal(np.concatenate(expected, axis=1), positions):
                master = min(masters, key=lambda m: self._masters.index(m.tensor))
                groups.append(Coupled(master.tensor.removesuffix(".weight"), len(channels), tuple(members)))
        order = {master.removesuffix(".weight"): index for index, master in enumerate(self._masters)}
        return iter(sorted(groups, key=lambda group: (order[group.master], group.members[0].start)))

    def _members(self, tensors: tuple[tuple[str, int], ...], positions: np.ndarray) -> Iterator[Member]:
        """Yield runs of adjacent positions of the first channel in the same tensor; the other channels follow it."""
        first = 0
        for last in range(len(tensors)):
            ends = last + 1 == len(tensors) or tensors[last + 1] != tensors[last]
            if ends or positions[0, last + 1] != positions[0, last] + 1:
                tensor, axis = tensors[first]
                length = len(self._tensors[tensor, axis])
                yield Member(tensor, axis, int(positions[0, first]), last + 1 - first, length)
                first = last + 1

    def _root(self, number: int) -> int:
        while self._same[number] != number:
            self._same[number] = self._same[self._same[number]]
            number = self._same[number]
        return number

    def _new(self, count: int) -> np.ndarray:
        numbers = np.arange(len(self._same), len(self._same) + count)
        self._same.extend(numbers.tolist())
        return numbers

    def _unite(self, one: np.ndarray, other: np.ndarray) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            self._same[self._root(b)] = self._root(a)

    def _record(self, parameter: str, axis: int, numbers: np.ndarray) -> None:
        key = (self._paths[parameter], axis)
        if key in self._tensors:  # the layer is used twice
            self._unite(self._tensors[key], numbers)
        else:
            self._tensors[key] = numbers

    def _follow(self, operator: Any) -> None:
        kind = operator.type()
        inputs = [variable.name() for variable in operator.all_inputs()]
        if kind in ("conv2d", "depthwise_conv2d"):
            self._convolution(operator)
        elif kind in _NORMS:
            channels = self._channels.get(operator.inputs("X")[0].name())
            if channels is not None:
                for name in ("Scale", "Bias", "Mean", "Variance"):
                    self._record(operator.inputs(name)[0].name(), 0, channels)
                self._channels[operator.outputs("Y")[0].name()] = channels
        elif kind in _SAME_CHANNELS:
            channels = self._channels.get(operator.inputs("X")[0].name())
            if channels is not None:
                self._channels[operator.outputs("Out")[0].name()] = channels
        elif kind in _ADDITIONS:
            self._addition(operator)
        elif kind == "concat" and operator.attr("axis") == 1 and all(name in self._channels for name in inputs):
            parts = [self._channels[variable.name()] for variable in operator.inputs("X")]
            self._channels[operator.outputs("Out")[0].name()] = np.concatenate(parts)
        elif kind == "reshape2" and inputs[0] in self._paths:  # a bias, reshaped to (1, C, 1, 1)
            self._biases[operator.outputs("Out")[0].name()] = inputs[0]
        elif kind in ("unsqueeze2", "pool3d", "squeeze2"):
            self._averaged_neighbours(operator)
        elif kind not in _READS_SHAPE:
            self._lock(inputs)

    def _lock(self, variables: list[str]) -> None:
        for name in variables:
            self._locked.extend(self._channels.get(name, ()))

    def _convolution(self, operator: Any) -> None:
        weight = operator.inputs("Filter")[0]
        filters, per_group = weight.shape()[:2]
        groups = operator.attr("groups") or 1
        channels = self._channels.get(operator.inputs("Input")[0].name())
        if channels is None:  # the image, or channels that could not be followed
            channels = self._new(per_group * groups)
            self._locked.extend(channels)
        if groups == 1:
            written = self._new(filters)
            self._record(weight.name(), 0, written)
            self._record(weight.name(), 1, channels)
            self._masters.append(self._paths[weight.name()])
        elif groups == filters and per_group == 1:
            written = channels
            self._record(weight.name(), 0, written)
        else:
            written = self._new(filters)
            self._locked.extend([*channels, *written])
        self._channels[operator.outputs("Output")[0].name()] = written

    def _averaged_neighbours(self, operator: Any) -> None:
        # U-HRNet halves its channels by averaging neighbours: (N, C, H, W) as (N, 1, C, H, W) through a 3-D pooling.
        # Channels that are averaged are coupled.
        name, written = operator.inputs("X")[0].name(), operator.outputs("Out")[0].name()
        channels = self._channels.get(name)
        if channels is None:
            return
        size, stride = operator.attr("ksize"), operator.attr("strides")
        if operator.type() != "pool3d":
            follows = list(operator.attr("axes")) == [1]
        else:
            plain = not operator.attr("adaptive") and not any(operator.attr("paddings"))
            follows = plain and list(size) == list(stride) == [size[0], 1, 1] and len(channels) % size[0] == 0
            for offset in range(1, size[0] if follows else 0):
                self._unite(channels[:: size[0]], channels[offset :: size[0]])
            channels = channels[:: size[0]]
        if follows:
            self._channels[written] = channels
        else:
            self._lock([name])

    def _addition(self, operator: Any) -> None:
        names = [operator.inputs(name)[0].name() for name in ("X", "Y")]
        followed = [self._channels[name] for name in names if name in self._channels]
        bias = [self._biases.get(name, name if name in self._paths else None) for name in names]
        if len(followed) == 2 and len(followed[0]) == len(followed[1]):
            self._unite(*followed)
        elif len(followed) == 1 and bias[1] is not None:
            self._record(bias[1], 0, followed[0])
        else:
            self._lock(names)
            return
        self._channels[operator.outputs("Out")[0].name()] = followed[0]
