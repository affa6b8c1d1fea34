"""A model of latency as a function of channel counts, fitted to networks measured on this machine.

Multiply-accumulates alone do not predict latency: engines work on blocks of 8 or 16 channels, so 17 channels cost as
much as 32; depthwise layers are bound by memory; and some time does not depend on channels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from paddle import nn
from scipy.optimize import nnls

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.deployment import ENGINES, Latency, Predictor, export, measure
from helpers.models.pruned import Plan, apply_plan
from helpers.pruning.analysis import Analysis

_BLOCKS = (1, 4, 8, 16, 32)


@dataclass(frozen=True)
class LatencyModel:
    """Latency in ms: constant + dense * MACs + depthwise * MACs + moved * values read and written.

    `factors` are these four, at least 0. All counts round channels up to multiples of `block`. `engine` is the engine
    that was measured, `error` the largest relative error on the measured networks.
    """

    engine: str
    block: int
    factors: tuple[float, float, float, float]
    error: float

    def of(self, analysis: Analysis) -> Callable[[np.ndarray], float]:
        """Return a function from kept channels of each group to predicted ms, for `Analysis.plan_for(measure=...)`."""
        return lambda kept: float(np.dot(_features(analysis, kept, self.block), self.factors))

    def predict(self, analysis: Analysis, plan: Plan) -> float:
        """Predict the latency, in ms, of the network after `plan`."""
        return self.of(analysis)(kept_channels(plan))


def fit_latency(analysis: Analysis, measured_ms: Sequence[tuple[Plan | None, float]], engine: str) -> LatencyModel:
    """Fit a latency model to measured networks: pairs of (plan, ms), with None for the unpruned network.

    Non-negative least squares of relative errors for each block size; return the best fit.
    Raise CourseError for fewer than three networks.
    """
    if len(measured_ms) < 3:
        raise CourseError(f"Expected at least three measured networks, got {len(measured_ms)}: measure more plans.")
    ms = np.array([value for _, value in measured_ms])
    unpruned = np.array([group.channels for group in analysis.coupled])
    kept = [unpruned if plan is None else kept_channels(plan) for plan, _ in measured_ms]
    models = []
    for block in _BLOCKS:
        rows = np.array([_features(analysis, each, block) for each in kept]) / ms[:, np.newaxis]
        scale = rows.max(axis=0)
        factors = nnls(rows / scale, np.ones(len(ms)))[0] / scale
        residual = rows @ factors - 1
        models.append((float(np.square(residual).sum()), block, factors, float(np.abs(residual).max())))
    _, block, factors, error = min(models, key=lambda each: each[0])
    return LatencyModel(engine, block, tuple(float(factor) for factor in factors), error)


def kept_channels(plan: Plan) -> np.ndarray:
    """Return the number of kept channels of each group: int64 (groups,)."""
    return np.array([len(group.kept) for group in plan.groups])


def _features(analysis: Analysis, kept: np.ndarray, block: int) -> np.ndarray:
    """Return 1 and the dense MACs, depthwise MACs and values moved, in billions: float64 (4,)."""
    dense = depthwise = moved = 0.0
    for layer, (filters, inputs, _) in zip(analysis.layers, analysis.layers_after(kept), strict=True):
        pixels, taps = np.prod(layer.out_hw), np.prod(layer.kernel_hw)
        written = _round_up(filters, block)
        if layer.groups == 1:
            dense += pixels * taps * written * _round_up(inputs, block)
            moved += pixels * (written + _round_up(inputs, block))
        else:
            depthwise += pixels * taps * written
            moved += pixels * 2 * written
    return np.array([1.0, dense / 1e9, depthwise / 1e9, moved / 1e9])


def _round_up(channels: int, block: int) -> int:
    return -(-channels // block) * block


def export_plans(net: nn.Layer, plans: Mapping[str, Plan | None], folder: str | Path) -> dict[str, Path]:
    """Export `net` after each plan (None: unpruned) into `folder`/<name>, and return these folders by name."""
    folders = {}
    for name, plan in progress(plans.items(), desc="exporting", unit="network"):
        pruned = copy.deepcopy(net) if plan is None else apply_plan(copy.deepcopy(net), plan)
        pruned.eval()
        folders[name] = export(pruned, Path(folder) / name, network="fastscnn" if plan is None else plan.network)
    return folders


def fastest_engine(folder: Path, *, size_hw: tuple[int, int], warmup: int, repeats: int) -> str:
    """Return the engine of Paddle Inference that labels frames of `size_hw` fastest with this export.

    The engines are measured in interleaved rounds, `warmup` and then `repeats` of them.
    """
    runs = _measured({name: Predictor(folder, name) for name in ENGINES}, size_hw, warmup, repeats)
    return min(runs, key=lambda name: runs[name].median_ms)


def measure_exports(
    folders: Mapping[str, Path], *, engine: str, size_hw: tuple[int, int], warmup: int, repeats: int
) -> dict[str, Latency]:
    """Measure the latency of each export, from a frame of `size_hw` to its labels, in interleaved rounds.

    Weights do not change the latency, so the networks need no training.
    """
    return _measured({name: Predictor(folder, engine) for name, folder in folders.items()}, size_hw, warmup, repeats)


def _measured(
    predictors: Mapping[str, Predictor], size_hw: tuple[int, int], warmup: int, repeats: int
) -> dict[str, Latency]:
    frame = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    try:
        return measure(predictors, frame, warmup=warmup, repeats=repeats)
    finally:
        for predictor in predictors.values():
            predictor.close()
