"""Make a network smaller: rank filters, plan which go, apply the plan, save it and apply it again.

A filter is one output channel of a convolution. Removing it also removes its batch norm values and the matching input
channel of every layer that reads it; channels that are added to each other can only go together. PaddleSlim's
`L1NormFilterPruner` finds these groups and ranks by the mean absolute weight (Li et al., "Pruning Filters for
Efficient ConvNets", 2017). A plan names parameters by their place in the network ("classifier.conv.weight"), never by
Paddle's own counters ("conv2d_38.w_0"), which differ from process to process (Paddle issue 32739).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from paddle import nn

from helpers import paddle_compat
from helpers.errors import CourseError
from helpers.files import read_json, write_json
from helpers.models import AUXILIARY_PREFIXES, LayerCost, build, cost
from helpers.training import load_weights, save_weights

PLAN = "plan.json"
WEIGHTS = "pruned.pdparams"
FORMAT = 1
# PaddleSlim writes its example input into the program number by number, so a large one takes seconds to trace; which
# channels belong together does not depend on the size.
_TRACE_HW = (128, 256)


@dataclass(frozen=True)
class Group:
    """Channels that only go together: those of `name`.weight, whose filters are ranked, and all that depends on them.

    `kept` are the channels that stay, ascending, out of `channels`; `members` are (parameter, axis).
    """

    name: str
    channels: int
    kept: tuple[int, ...]
    members: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Plan:
    """Which channels of which network stay, and the multiply-accumulates at `size_hw` before and after.

    `left_alone` are the convolutions that keep all their filters: the classifier, whose channels are the classes, and
    what PaddleSlim does not follow (layers that are concatenated).
    """

    network: str
    criterion: str
    ratio: float
    size_hw: tuple[int, int]
    macs_before: int
    macs_after: int
    groups: tuple[Group, ...]
    left_alone: tuple[str, ...]

    @property
    def cut(self) -> float:
        """Share of the multiply-accumulates that goes, 0 to 1."""
        return 1 - self.macs_after / self.macs_before

    def table(self) -> pd.DataFrame:
        """One row per group: the ranked layer, its channels before and after, and how many parameters follow it."""
        rows = [(group.name, group.channels, len(group.kept), len(group.members)) for group in self.groups]
        return pd.DataFrame(rows, columns=["layer", "channels", "kept", "tensors that follow"])

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON."""
        write_json(path, {"format": FORMAT, **asdict(self)})

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan. Raises CourseError when there is none at `path` or it is something else."""
        path = Path(path)
        if not path.is_file():
            raise CourseError(f"There is no pruning plan at {path}: prune the network first (notebook 04).")
        try:
            content = read_json(path)
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            groups = tuple(
                Group(g["name"], g["channels"], tuple(g["kept"]), tuple((name, axis) for name, axis in g["members"]))
                for g in content.pop("groups")
            )
            lists = {key: tuple(content.pop(key)) for key in ("size_hw", "left_alone")}
            return cls(**content, **lists, groups=groups)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CourseError(f"{path} is not a pruning plan of this course: write it again with Plan.save.") from error


class Analysis:
    """What is found out once about a network: which channels belong together, how they rank, what each layer costs."""

    def __init__(self, net: nn.Layer, size_hw: tuple[int, int], network: str = "fastscnn"):
        """`size_hw` is the image size at which multiply-accumulates count; `network` is the name for models.build."""
        self.network, self.size_hw = network, tuple(size_hw)
        self._layers = cost(net, size_hw).layers
        self._shapes = {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}
        self._names = {parameter.name: name for name, parameter in net.named_parameters()}  # PaddleSlim's name: ours
        with paddle_compat.slim_guard(), _without_dropout(net):
            from paddleslim.dygraph.prune import L1NormFilterPruner

            self._pruner = L1NormFilterPruner(net, [1, 3, *_TRACE_HW])
        masters = {self._names[c.master_name]: c.master_name for c in self._pruner.collections}
        # Filters that serve the auxiliary loss alone are not in the deployed network: removing them saves nothing.
        self._masters = {name: own for name, own in masters.items() if not name.startswith(AUXILIARY_PREFIXES)}

    def plan(self, ratio: float) -> Plan:
        """The plan that removes the share `ratio` of the filters of every group, those with the smallest L1 norm."""
        masks = self._pruner.prune_vars(dict.fromkeys(self._masters.values(), ratio), 0, apply=None).masks
        kept = {
            (self._names[own], mask.dims): tuple(np.flatnonzero(np.asarray(mask.mask)).tolist())
            for own, of_tensor in masks.items()
            if own in self._names  # intermediate tensors have masks too
            for mask in of_tensor
        }
        pruned_filters = {name for name, axis in kept if axis == 0}
        return Plan(
            network=self.network,
            criterion="l1",
            ratio=ratio,
            size_hw=self.size_hw,
            macs_before=sum(layer.macs for layer in self._layers),
            macs_after=sum(_macs_after(layer, kept) for layer in self._layers),
            groups=tuple(self._groups(kept)),
            left_alone=tuple(layer.name for layer in self._layers if f"{layer.name}.weight" not in pruned_filters),
        )

    def plan_for(self, cut: float) -> Plan:
        """The plan with the smallest uniform ratio that removes at least the share `cut` of the multiply-accumulates.

        Raises CourseError for a cut that is no share or that even one channel per layer does not reach.
        """
        if not 0 < cut < 1:
            raise CourseError(f"The cut must lie between 0 and 1 (0.51 removes 51 % of the work), not {cut}.")
        best = self.plan(1.0)  # PaddleSlim keeps one channel at least
        if best.cut < cut:
            raise CourseError(
                f"A cut of {cut:.1%} is out of reach for {self.network}: with one channel left in every layer that can "
                f"be pruned, {best.cut:.1%} are gone; ask for less."
            )
        # Rounding to whole channels makes the cut a staircase over the ratio, but a rising one: halve the interval.
        low, high = 0.0, 1.0
        while high - low > 1e-4:
            middle = (low + high) / 2
            plan = self.plan(middle)
            if plan.cut >= cut:
                high, best = middle, plan
            else:
                low = middle
        return best

    def _groups(self, kept: dict[tuple[str, int], tuple[int, ...]]) -> Iterator[Group]:
        waiting = dict(kept)
        for collection in self._pruner.collections:
            master = self._names[collection.master_name]
            members: dict[tuple[int, ...], list[tuple[str, int]]] = {}
            for detail in collection.all_pruning_details():
                key = (self._names.get(detail.name), detail.axis)
                if key in waiting:
                    members.setdefault(waiting.pop(key), []).append(key)
            for channels_kept, keys in members.items():
                name, axis = keys[0]
                yield Group(
                    name=master.removesuffix(".weight"),
                    channels=self._shapes[name][axis],
                    kept=channels_kept,
                    members=tuple(keys),
                )


def make_plan(net: nn.Layer, cut: float, size_hw: tuple[int, int], network: str = "fastscnn") -> Plan:
    """The uniform plan that removes at least the share `cut` of the multiply-accumulates of `net` at `size_hw`.

    They count without auxiliary heads. The network is not changed. See `Analysis.plan_for`.
    """
    return Analysis(net, size_hw, network).plan_for(cut)


def apply_plan(net: nn.Layer, plan: Plan) -> nn.Layer:
    """Remove from `net`, in place, the channels that `plan` does not keep; returns `net`.

    Raises CourseError when the plan was made for another network.
    """
    parameters = dict(net.named_parameters())
    for group in plan.groups:
        for name, axis in group.members:
            size = parameters[name].shape[axis] if name in parameters else None
            if size != group.channels or not 0 <= min(group.kept) <= max(group.kept) < group.channels:
                found = "this one has no such tensor" if size is None else f"here it has {size}"
                raise CourseError(
                    f"The plan is for a {plan.network} with {group.channels} channels on axis {axis} of {name}, "
                    f"{found}: build the network that the plan was made for, unpruned."
                )
    layers = dict(net.named_sublayers())
    paddle_compat.apply_to_paddleslim()
    from paddleslim.dygraph.prune.pruning_plan import PruningMask, PruningPlan

    slim_plan = PruningPlan(plan.network)
    for group in plan.groups:
        mask = np.isin(np.arange(group.channels), group.kept).astype(np.int64)
        for name, axis in group.members:
            groups = getattr(layers[name.rpartition(".")[0]], "_groups", None)
            slim_plan.add(parameters[name].name, PruningMask(axis, mask, plan.ratio, _Operator(groups)))
    slim_plan.apply(net)
    _forget_backups(net)
    return net


def prune(net: nn.Layer, cut: float, size_hw: tuple[int, int], network: str = "fastscnn") -> tuple[nn.Layer, Plan]:
    """A pruned copy of `net` and its plan, see `make_plan`; `net` itself is not changed."""
    plan = make_plan(net, cut, size_hw, network)
    return apply_plan(copy.deepcopy(net), plan), plan


def save_pruned(folder: str | Path, net: nn.Layer, plan: Plan) -> None:
    """Write the weights of the pruned `net` and the plan that rebuilds it."""
    save_weights(net, Path(folder) / WEIGHTS)
    plan.save(Path(folder) / PLAN)


def load_pruned(folder: str | Path) -> nn.Layer:
    """Build the network of the plan in `folder`, prune it and load its weights; returned in evaluation mode.

    Raises CourseError when a file is missing or the two do not belong together.
    """
    plan = Plan.load(Path(folder) / PLAN)
    return load_weights(apply_plan(build(plan.network), plan), Path(folder) / WEIGHTS)


def filter_norms(net: nn.Layer) -> dict[str, np.ndarray]:
    """Mean absolute weight of every filter, by convolution: float32 (output channels,)."""
    return {
        name: np.abs(layer.weight.numpy()).mean(axis=(1, 2, 3))
        for name, layer in net.named_sublayers()
        if isinstance(layer, nn.Conv2D)
    }


def _macs_after(layer: LayerCost, kept: dict[tuple[str, int], tuple[int, ...]]) -> int:
    weight = f"{layer.name}.weight"
    filters = len(kept.get((weight, 0), range(layer.out_channels)))
    inputs = len(kept.get((weight, 1), range(layer.in_channels // layer.groups)))
    return layer.macs // layer.out_channels // (layer.in_channels // layer.groups) * filters * inputs


@contextmanager
def _without_dropout(net: nn.Layer) -> Iterator[None]:
    # Dropout's mask is an output that nothing reads. PaddleSlim takes it for an output of the network, which must keep
    # its channels, and leaves the convolution before it alone. With probability 0 Paddle adds no such operator.
    saved = [(layer, layer.p) for layer in net.sublayers() if isinstance(layer, nn.Dropout | nn.Dropout2D)]
    for layer, _ in saved:
        layer.p = 0
    try:
        yield
    finally:
        for layer, probability in saved:
            layer.p = probability


class _Operator:
    """All that PaddleSlim asks of an operator when it applies a mask: in how many groups the convolution works."""

    def __init__(self, groups: int | None):
        self._attributes: dict[str, Any] = {"groups": groups}

    def attr(self, name: str) -> Any:
        return self._attributes.get(name)


def _forget_backups(net: nn.Layer) -> None:
    # PaddleSlim keeps the unpruned values in buffers, to be able to undo; they would be saved with the weights. And it
    # changes tensors only: what the layers say of themselves is brought up to date here.
    for layer in net.sublayers(include_self=True):
        for name in [name for name in layer._buffers if name.endswith("_backup")]:
            del layer._buffers[name]
        layer.__dict__.pop("_origin_groups", None)
        if isinstance(layer, nn.Conv2D):
            layer._out_channels, layer._in_channels = layer.weight.shape[0], layer.weight.shape[1] * layer._groups
        elif isinstance(layer, nn.BatchNorm2D | nn.SyncBatchNorm):
            layer._num_features = layer.weight.shape[0]
