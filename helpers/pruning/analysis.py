"""Plan pruning: which channels are coupled, what layers cost, how filters rank, how many to remove."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
from paddle import nn

from helpers import paddle_compat
from helpers.common.errors import CourseError
from helpers.models import AUXILIARY_PREFIXES, LayerCost, cost
from helpers.models.pruned import Group, Plan, apply_plan
from helpers.pruning.coupling import Coupled, coupled_channels

# Ranking criteria: the class of PaddleSlim's pruner, or None for a random ranking, the control.
CRITERIA: dict[str, str | None] = {
    "l1": "L1NormFilterPruner",  # Li et al. 2017, arXiv:1608.08710: the mean absolute weight of a filter
    "l2": "L2NormFilterPruner",
    "fpgm": "FPGMFilterPruner",  # He et al. 2019, arXiv:1811.00250: the distance to all other filters of the layer
    "random": None,
}
TOLERANCE = 0.005  # a plan may exceed the requested cut by this much

# For each layer: relative loss of score by share of filters removed, 0 to 1; see helpers.pruning.sensitivity.
Curves = Mapping[str, Mapping[float, float]]


class Analysis:
    """Analysis of a network: coupled channels, cost of each layer, and plans that remove channels."""

    def __init__(self, net: nn.Layer, size_hw: tuple[int, int], network: str = "fastscnn"):
        """Analyse `net`, which models.build calls `network`; count multiply-accumulates at `size_hw`, in pixels.

        Raise CourseError if no channel can be removed.
        """
        self.network, self.size_hw = network, tuple(size_hw)
        self.layers: tuple[LayerCost, ...] = cost(net, size_hw).layers
        # The deployed network has no auxiliary heads: removing their filters saves nothing.
        self.coupled: tuple[Coupled, ...] = tuple(
            group for group in coupled_channels(net) if not group.master.startswith(AUXILIARY_PREFIXES)
        )
        if not self.coupled:
            raise CourseError(f"Cannot prune {network}: its structure fixes the channels of every layer.")
        self.macs = sum(layer.macs for layer in self.layers)
        self._weights = {name: value.numpy() for name, value in net.named_parameters() if len(value.shape) == 4}
        self._channels = np.array([group.channels for group in self.coupled])
        self._filters, self._inputs = self._readers()

    def _readers(self) -> tuple[np.ndarray, np.ndarray]:
        """Count how often a channel of each group is a filter, and an input, of each layer: int64 (layers, groups)."""
        row_of = {f"{layer.name}.weight": row for row, layer in enumerate(self.layers)}
        counts = np.zeros((2, len(self.layers), len(self.coupled)), dtype=np.int64)
        for column, group in enumerate(self.coupled):
            for member in group.members:
                if member.tensor in row_of:
                    counts[member.axis, row_of[member.tensor], column] += member.width
        return counts[0], counts[1]

    def layers_after(self, kept: np.ndarray) -> list[tuple[int, int, int]]:
        """Return (filters, inputs of each, multiply-accumulates) per layer, for `kept` channels of each group."""
        removed = self._channels - kept
        rows = []
        for layer, fewer_filters, fewer_inputs in zip(
            self.layers, self._filters @ removed, self._inputs @ removed, strict=True
        ):
            per_filter = layer.in_channels // layer.groups
            filters, inputs = layer.out_channels - int(fewer_filters), per_filter - int(fewer_inputs)
            rows.append((filters, inputs, layer.macs // layer.out_channels // per_filter * filters * inputs))
        return rows

    def cut_of(self, kept: np.ndarray) -> float:
        """Return the share of multiply-accumulates removed when `kept` channels of each group are kept."""
        return 1 - sum(macs for _, _, macs in self.layers_after(kept)) / self.macs

    def plan(
        self,
        ratio: float | Mapping[str, float],
        *,
        criterion: str = "l1",
        allocation: str = "uniform",
        align: int = 1,
        seed: int = 0,
    ) -> Plan:
        """Plan to remove a share of the weakest filters of every group.

        Raise CourseError for a share outside 0 to 1, an unknown layer or an unknown criterion.

        Parameters
        ----------
        ratio : float or mapping of str to float
            Share of filters to remove, from every group, or by name of the ranked layer.
        criterion : str, default "l1"
            One of CRITERIA.
        allocation : str, default "uniform"
            Recorded in the plan: how the shares were chosen.
        align : int, default 1
            Keep multiples of this many channels, and at least one multiple. Groups with fewer than two multiples use
            half of it.
        seed : int, default 0
            Seed of the criterion "random".
        """
        ratios = ratio if isinstance(ratio, Mapping) else dict.fromkeys((g.master for g in self.coupled), ratio)
        for name, share in ratios.items():
            if not 0 <= share <= 1:
                raise CourseError(f"The share of filters to remove from {name} must lie between 0 and 1, not {share}.")
        return self._plan(self._kept(ratios, align), criterion, allocation, align, seed)

    def plan_for(
        self,
        cut: float,
        *,
        criterion: str = "l1",
        curves: Curves | None = None,
        align: int = 1,
        seed: int = 0,
        measure: Callable[[np.ndarray], float] | None = None,
    ) -> Plan:
        """Plan to remove at least the share `cut` of the multiply-accumulates, and at most TOLERANCE more.

        Raise CourseError if `cut` does not lie between 0 and 1, or cannot be reached.

        Parameters
        ----------
        cut : float
            Share to remove, between 0 and 1.
        criterion : str, default "l1"
            One of CRITERIA.
        curves : mapping, optional
            Sensitivity curves, see `helpers.pruning.sensitivity`. With them, every group loses filters up to the same
            loss of score. Default: the same share of filters from every group.
        align : int, default 1
            Keep multiples of this many channels, see `plan`.
        seed : int, default 0
            Seed of the criterion "random".
        measure : callable, optional
            Maps the kept channels of each group, int64 (groups,), to a cost to cut instead of multiply-accumulates,
            such as predicted latency (`helpers.pruning.latency.LatencyModel.of`).
        """
        if not 0 < cut < 1:
            raise CourseError(f"The cut must lie between 0 and 1 (0.51 removes 51 % of the work), not {cut}.")
        cut_of = self.cut_of
        if measure is not None:
            full = measure(self._channels)

            def cut_of(kept: np.ndarray) -> float:
                return 1 - measure(kept) / full

        ratios_at = self._same_share if curves is None else lambda level: self._same_loss(curves, level)
        best = self._kept(ratios_at(1.0), align)
        if cut_of(best) < cut:
            raise CourseError(
                f"A cut of {cut:.1%} is out of reach for {self.network}: removing all channels that "
                f"{'the sensitivity curves cover' if curves is not None else 'the layers can lose'}"
                f"{f', in multiples of {align},' if align > 1 else ''} cuts {cut_of(best):.1%}; choose a smaller cut."
            )
        # Bisection: rounded to whole channels, the cut is a step function of the level, but a monotonic one.
        low, high = 0.0, 1.0
        while high - low > 1e-5:
            middle = (low + high) / 2
            kept = self._kept(ratios_at(middle), align)
            if cut_of(kept) >= cut:
                high, best = middle, kept
            else:
                low = middle
        best = self._give_back(best, cut, align, cut_of)
        return self._plan(best, criterion, "uniform" if curves is None else "sensitivity", align, seed)

    def _give_back(self, kept: np.ndarray, cut: float, align: int, cut_of: Callable[[np.ndarray], float]) -> np.ndarray:
        """Restore channels, one block at a time, while the result exceeds `cut` by more than the tolerance.

        Each time choose the block that brings it closest to `cut`.
        """
        blocks = self._blocks(align)
        while cut_of(kept) >= cut + TOLERANCE:
            tries = []
            for group in np.flatnonzero(kept < self._channels):
                more = kept.copy()
                more[group] = min(kept[group] + blocks[group], self._channels[group])
                if cut_of(more) >= cut:
                    tries.append((cut_of(more), int(group), more))
            if not tries:
                break
            kept = min(tries, key=lambda each: each[:2])[2]
        return kept

    def _same_share(self, level: float) -> dict[str, float]:
        return dict.fromkeys((group.master for group in self.coupled), level)

    def _same_loss(self, curves: Curves, level: float) -> dict[str, float]:
        """Find the largest share of filters of each layer whose loss stays below `level`, 0 to 1, of the worst loss.

        The interpolation between measured shares is PaddleSlim's.
        """
        paddle_compat.apply_to_paddleslim()
        from paddleslim.dygraph.prune.filter_pruner import FilterPruner

        missing = [group.master for group in self.coupled if group.master not in curves]
        if missing:
            raise CourseError(f"The sensitivity curves lack {missing[0]}: measure the curves of this network.")
        worst = max(max(curve.values()) for curve in curves.values())
        # Removing nothing loses nothing: PaddleSlim interpolates from this point.
        known = {name: {0.0: 0.0, **curves[name]} for name in curves}
        return FilterPruner._get_ratios_by_loss(None, known, level * max(worst, 1e-9))

    def _kept(self, ratios: Mapping[str, float], align: int) -> np.ndarray:
        """Return the channels of each group to keep, int64 (groups,): multiples of its block, at least one."""
        unknown = set(ratios) - {group.master for group in self.coupled}
        if unknown:
            raise CourseError(f"{self.network} has no prunable layer {sorted(unknown)[0]!r}: see Analysis.coupled.")
        shares = np.array([ratios.get(group.master, 0.0) for group in self.coupled])
        blocks = self._blocks(align)
        if align == 1:
            kept = self._channels - np.round(self._channels * shares).astype(np.int64)
        else:
            kept = np.round(self._channels * (1 - shares) / blocks).astype(np.int64) * blocks
        return np.clip(kept, np.minimum(blocks, self._channels), self._channels)

    def _blocks(self, align: int) -> np.ndarray:
        """Return `align` per group, int64 (groups,), halved for groups too narrow to lose that many channels."""
        blocks = np.full(len(self._channels), align, np.int64)
        while np.any(narrow := (self._channels < 2 * blocks) & (blocks % 2 == 0)):
            blocks[narrow] //= 2
        return blocks

    def _plan(self, kept: np.ndarray, criterion: str, allocation: str, align: int, seed: int) -> Plan:
        groups = tuple(
            Group(group.master, group.channels, channels, group.members)
            for group, channels in zip(self.coupled, self._strongest(kept, criterion, seed), strict=True)
        )
        free = {m.tensor.removesuffix(".weight") for g in self.coupled for m in g.members if m.axis == 0}
        return Plan(
            network=self.network,
            criterion=criterion,
            allocation=allocation,
            align=align,
            size_hw=self.size_hw,
            macs_before=self.macs,
            macs_after=sum(macs for _, _, macs in self.layers_after(kept)),
            groups=groups,
            left_alone=tuple(layer.name for layer in self.layers if layer.name not in free),
        )

    def _strongest(self, kept: np.ndarray, criterion: str, seed: int) -> list[tuple[int, ...]]:
        """Return the indices of the `kept` highest-ranked channels of each group, ascending."""
        if criterion not in CRITERIA:
            raise CourseError(f"Unknown criterion {criterion!r}: choose one of {', '.join(CRITERIA)}.")
        if CRITERIA[criterion] is None:
            rng = np.random.default_rng(seed)
            chosen = (rng.permutation(group.channels)[:count] for group, count in zip(self.coupled, kept, strict=True))
            return [tuple(np.sort(channels).tolist()) for channels in chosen]
        paddle_compat.apply_to_paddleslim()
        from paddleslim.dygraph import prune
        from paddleslim.prune.collections import PruningCollection

        pruner = getattr(prune, CRITERIA[criterion])
        ranked = []
        for group, count in zip(self.coupled, kept, strict=True):
            weight = f"{group.master}.weight"
            master = next(m for m in group.members if (m.tensor, m.axis) == (weight, 0))
            filters = self._weights[weight][master.positions(np.arange(group.channels))]
            collection = PruningCollection({"name": weight, "axis": 0})
            collection.values = {weight: filters.reshape(group.channels, -1, *filters.shape[2:])}
            # Call PaddleSlim's own method, so that the ranking is the same, ties included.
            mask = pruner.cal_mask(_Ranker(pruner), 1 - count / group.channels, collection)
            ranked.append(tuple(np.flatnonzero(mask).tolist()))
        return ranked


class _Ranker:
    """Stand-in for a PaddleSlim pruner that only ranks: constructing a real one traverses the whole graph."""

    def __init__(self, pruner: type):
        self.get_distance_sum = lambda value, index: pruner.get_distance_sum(self, value, index)


def prune(
    net: nn.Layer, cut: float, size_hw: tuple[int, int], network: str = "fastscnn", **options
) -> tuple[nn.Layer, Plan]:
    """Return a pruned copy of `net` and its plan; see `Analysis.plan_for` for `cut` and `options`."""
    plan = Analysis(net, size_hw, network).plan_for(cut, **options)
    return apply_plan(copy.deepcopy(net), plan), plan


def filter_norms(net: nn.Layer) -> dict[str, np.ndarray]:
    """Return the mean absolute weight of every filter, by convolution: float32 (output channels,)."""
    return {
        name: np.abs(layer.weight.numpy()).mean(axis=(1, 2, 3))
        for name, layer in net.named_sublayers()
        if isinstance(layer, nn.Conv2D)
    }
