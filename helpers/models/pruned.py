"""Pruning plans: which channels a network keeps, saved as JSON and applied to the same design in any process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from paddle import nn

from helpers import paddle_compat
from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json
from helpers.datasets import Classes
from helpers.models import shipped, weight_files
from helpers.models.networks import build, count_classes
from helpers.models.weights import save_weights, set_weights

PLAN = "plan.json"
PRUNED_WEIGHTS = "pruned.safetensors"
FORMAT = 2


@dataclass(frozen=True)
class Member:
    """The channels of a group along one axis of a tensor: from `start` on, `width` neighbours for each channel.

    `length` is the length of the tensor along `axis`.
    """

    tensor: str
    axis: int
    start: int
    width: int
    length: int

    def positions(self, channels: np.ndarray) -> np.ndarray:
        """Return the positions, int (n * width,), of the given channels of the group, int (n,)."""
        return (self.start + self.width * channels[:, np.newaxis] + np.arange(self.width)).ravel()


@dataclass(frozen=True)
class Group:
    """Channels that can only be removed together: filters of the convolution `name`, and all that depends on them.

    `kept` are the indices of the channels that are kept, ascending, out of `channels`.
    """

    name: str
    channels: int
    kept: tuple[int, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Plan:
    """Which channels a network keeps, and its multiply-accumulates at `size_hw` before and after.

    `criterion` ranks the filters; `allocation` distributes the cut over the groups ("uniform" or "sensitivity");
    channels are multiples of `align` in groups that have as many. `left_alone` are convolutions that keep all filters
    because of the network's structure: the classifier, whose channels are the classes, and layers whose channels
    cannot be followed.
    """

    network: str
    criterion: str
    allocation: str
    align: int
    size_hw: tuple[int, int]
    macs_before: int
    macs_after: int
    groups: tuple[Group, ...]
    left_alone: tuple[str, ...]

    @property
    def cut(self) -> float:
        """Share of the multiply-accumulates that is removed, 0 to 1."""
        return 1 - self.macs_after / self.macs_before

    def table(self) -> pd.DataFrame:
        """Return one row per group: the ranked layer, its channels before and after, and the other tensors."""
        rows = [(group.name, group.channels, len(group.kept), len(group.members) - 1) for group in self.groups]
        return pd.DataFrame(rows, columns=["layer", "channels", "kept", "other tensors that lose the same channels"])

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON."""
        write_json(path, {"format": FORMAT, **asdict(self)})

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan. Raises CourseError if `path` is missing or not a plan."""
        path = Path(path)
        if not path.is_file():
            raise CourseError(f"There is no pruning plan at {path}: prune the network first (notebook 04).")
        try:
            content = read_json(path)
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            groups = tuple(
                Group(g["name"], g["channels"], tuple(g["kept"]), tuple(Member(**member) for member in g["members"]))
                for g in content.pop("groups")
            )
            lists = {key: tuple(content.pop(key)) for key in ("size_hw", "left_alone")}
            return cls(**content, **lists, groups=groups)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CourseError(f"{path} is not a pruning plan of this course: write it again with Plan.save.") from error


def apply_plan(net: nn.Layer, plan: Plan) -> nn.Layer:
    """Remove from `net`, in place, the channels that `plan` does not keep; returns `net`.

    Raises CourseError if the plan was made for another network; the network is then unchanged.
    """
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    stays: dict[tuple[str, int], np.ndarray] = {}
    for group in plan.groups:
        if not group.kept or not 0 <= min(group.kept) <= max(group.kept) < group.channels:
            raise CourseError(f"The plan keeps channels of {group.name} that do not exist: write it again.")
        gone = np.setdiff1d(np.arange(group.channels), group.kept)
        for member in group.members:
            size = tensors[member.tensor].shape[member.axis] if member.tensor in tensors else None
            if size != member.length:
                found = "this one has no such tensor" if size is None else f"here it has {size}"
                raise CourseError(
                    f"The plan is for a {plan.network} with {member.length} channels on axis {member.axis} of "
                    f"{member.tensor}, {found}: build the network that the plan was made for, unpruned."
                )
            stays.setdefault((member.tensor, member.axis), np.ones(size, np.int64))[member.positions(gone)] = 0
    layers = dict(net.named_sublayers())
    paddle_compat.apply_to_paddleslim()
    from paddleslim.dygraph.prune.pruning_plan import PruningMask, PruningPlan

    slim_plan = PruningPlan(plan.network)
    for (name, axis), mask in stays.items():
        groups = getattr(layers[name.rpartition(".")[0]], "_groups", None)
        slim_plan.add(tensors[name].name, PruningMask(axis, mask, 1 - mask.mean(), _Operator(groups)))
    slim_plan.apply(net)
    _forget_backups(net)
    return net


def save_pruned(folder: str | Path, net: nn.Layer, plan: Plan, classes: Classes | None = None) -> None:
    """Write the weights of the pruned `net` and the plan that rebuilds it; `classes` as in `save_weights`."""
    save_weights(net, Path(folder) / PRUNED_WEIGHTS, classes)
    plan.save(Path(folder) / PLAN)


def load_pruned(folder: str | Path, classes: Classes | None = None) -> nn.Layer:
    """Build the network of the plan in `folder`, prune it and load its weights; returned in evaluation mode.

    It has the number of classes of the weights. `classes`: those of the data set at hand; with them, weights for other
    classes are refused. Raises CourseError if a file is missing or the two do not belong together.
    """
    plan, path = Plan.load(Path(folder) / PLAN), Path(folder) / PRUNED_WEIGHTS
    saved = weight_files.read(path)
    net = apply_plan(build(plan.network, count_classes(plan.network, saved)), plan)
    set_weights(net, saved, str(path), classes=classes)
    net.eval()
    return net


def load_shipped(name: str, num_classes: int | None = None) -> nn.Layer:
    """Build the network of the weights `name` in `weights/`, pruned if they are, and load them.

    `name` is a key of `shipped.cards()`, such as fastscnn or fastscnn_pruned_51. `num_classes` is by default that of
    the weights; with another number, the classifiers keep their random weights. The network is returned in evaluation
    mode. Raises CourseError for an unknown name and for damaged files.
    """
    cards = shipped.cards()
    if name not in cards:
        raise CourseError(f"There are no weights {name!r} in {shipped.FOLDER}: choose one of {', '.join(cards)}.")
    net = build(cards[name].network, len(cards[name].classes) if num_classes is None else num_classes)
    if cards[name].pruned:
        shipped.verified(shipped.plan_path(name))
        apply_plan(net, Plan.load(shipped.plan_path(name)))
    set_weights(net, shipped.read(name), str(shipped.weights_path(name)), strict=False)
    net.eval()
    return net


class _Operator:
    """What PaddleSlim reads of an operator when it applies a mask: the number of groups of the convolution."""

    def __init__(self, groups: int | None):
        self._attributes: dict[str, Any] = {"groups": groups}

    def attr(self, name: str) -> Any:
        return self._attributes.get(name)


def _forget_backups(net: nn.Layer) -> None:
    # PaddleSlim keeps the unpruned values in buffers for undoing; they would be saved with the weights. It changes
    # tensors only, so the attributes of the layers are updated here.
    for layer in net.sublayers(include_self=True):
        for name in [name for name in layer._buffers if name.endswith("_backup")]:
            del layer._buffers[name]
        layer.__dict__.pop("_origin_groups", None)
        if isinstance(layer, nn.Conv2D):
            layer._out_channels, layer._in_channels = layer.weight.shape[0], layer.weight.shape[1] * layer._groups
        elif isinstance(layer, nn.BatchNorm2D | nn.SyncBatchNorm):
            layer._num_features = layer.weight.shape[0]
