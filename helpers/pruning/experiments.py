"""The experiments of notebook 04: plans by name, pruned copies, fine-tuning with a control, comparison of times."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from paddle import nn

from helpers.common.errors import CourseError
from helpers.datasets import Frame
from helpers.deployment import Latency
from helpers.models.pruned import Plan, apply_plan
from helpers.profiles import DeploySpec, Recipe
from helpers.pruning.analysis import Analysis, Curves
from helpers.pruning.latency import LatencyModel, export_plans, fastest_engine, measure_exports
from helpers.training import fit

UNPRUNED = "unpruned"
ONEDNN = "paddle-onednn"
ENOUGH_ROUNDS = 5  # quartiles of fewer rounds are little more than their extremes


def pruned_copy(net: nn.Layer, plan: Plan) -> nn.Layer:
    """Return a copy of `net` pruned by `plan`, in evaluation mode; `net` does not change."""
    pruned = apply_plan(copy.deepcopy(net), plan)
    pruned.eval()
    return pruned


def plan_name(cut: float, align: int = 1) -> str:
    """Return the name of a plan: "51 %, multiples of 16", or "51 %, any" without alignment."""
    return f"{100 * cut:.0f} %, " + (f"multiples of {align}" if align > 1 else "any")


def named_plans(
    analysis: Analysis, cuts: Iterable[float], align: int, curves: Curves | None = None
) -> dict[str, Plan | None]:
    """Return the unpruned network (None), and for each cut a plan with any channel counts and an aligned one, by name.

    `cuts` are shares of the multiply-accumulates to remove; `curves` choose the share of each group by sensitivity.
    """
    plans: dict[str, Plan | None] = {UNPRUNED: None}
    for cut in cuts:
        for multiple in dict.fromkeys((1, align)):
            plans[plan_name(cut, multiple)] = analysis.plan_for(cut, curves=curves, align=multiple)
    return plans


def norm_table(norms: Mapping[str, np.ndarray], layers: Iterable[str]) -> pd.DataFrame:
    """Describe the norms of each layer, float (filters,): one row per layer.

    Columns: "filters"; "near zero", the share with less than 1 % of the layer's largest norm; "weakest", the smallest
    norm over the median; "spread", the standard deviation over the mean.
    """
    rows = {}
    for layer in layers:
        values = norms[layer]
        rows[layer] = (
            len(values),
            np.mean(values < 0.01 * values.max(initial=1e-9)),
            values.min() / max(np.median(values), 1e-9),
            values.std() / max(values.mean(), 1e-9),
        )
    return pd.DataFrame.from_dict(rows, orient="index", columns=["filters", "near zero", "weakest", "spread"])


def ranking_and_allocation(
    analysis: Analysis, cut: float, curves: Curves, align: int, seeds: Iterable[int]
) -> dict[str, list[Plan]]:
    """Plan the same cut in four ways: by L1 norm or at random, by sensitivity or with the same share of each group.

    Each random way has one plan per seed, the others have one.
    """
    ways = {}
    for title, criterion, draws in (("L1 norm", "l1", [0]), ("random", "random", list(seeds))):
        for allocation, chosen in (("by sensitivity", curves), ("same share", None)):
            ways[f"{title}, {allocation}"] = [
                analysis.plan_for(cut, curves=chosen, align=align, criterion=criterion, seed=seed) for seed in draws
            ]
    return ways


def against_random(
    analysis: Analysis, cuts: Iterable[float], score: Callable[[Plan], float], draws: int, seed: int = 0
) -> dict[str, list[tuple[float, list[float]]]]:
    """Score plans by L1 norm and plans with random filters, which remove the same share from every group.

    Returns for "L1 norm" and "random" a list of (cut, scores): one score by L1 norm, one per draw at random.

    Parameters
    ----------
    analysis : Analysis
        The network's groups.
    cuts : iterable of float
        Shares of the multiply-accumulates to remove.
    score : callable
        Maps a plan to a number, such as the mIoU of the network pruned by it.
    draws : int
        Random rankings per cut.
    seed : int, default 0
        Seed of the first draw; the others follow.
    """
    found: dict[str, list[tuple[float, list[float]]]] = {"L1 norm": [], "random": []}
    for cut in cuts:
        ranked = analysis.plan_for(cut)
        drawn = [analysis.plan_for(cut, criterion="random", seed=seed + draw) for draw in range(draws)]
        found["L1 norm"].append((ranked.cut, [score(ranked)]))
        found["random"].append((ranked.cut, [score(plan) for plan in drawn]))
    return found


@dataclass(frozen=True)
class FineTuned:
    """The same fine-tuning of several networks with several seeds.

    `networks`: by name, as the first seed left them, in evaluation mode. `scores`: by name, one per seed.
    """

    networks: dict[str, nn.Layer]
    scores: dict[str, list[float]]

    def difference(self, name: str, control: str) -> list[float]:
        """Return the score of `name` minus that of `control`, for each seed."""
        return [a - b for a, b in zip(self.scores[name], self.scores[control], strict=True)]


def fine_tune(
    networks: Mapping[str, nn.Layer],
    frames: list[Frame],
    recipe: Recipe,
    score: Callable[[nn.Layer, str], float],
    folder: str | Path,
    *,
    seeds: Sequence[int],
    device: str = "auto",
) -> FineTuned:
    """Train a copy of each network by the same recipe on the same crops, once per seed, and score it.

    Parameters
    ----------
    networks : mapping of str to nn.Layer
        Networks by name; they do not change.
    frames : list of Frame
        Training frames.
    recipe : Recipe
        How to train.
    score : callable
        Maps a network and a title to its score.
    folder : str or Path
        Runs are written to `folder`/<name>_<seed>.
    seeds : sequence of int
        Seeds of the crops; at least one.
    device : str, default "auto"
        "auto", "cpu" or "gpu:0".
    """
    if not seeds:
        raise CourseError("Expected at least one seed to fine-tune with, got none.")
    tuned = FineTuned({}, {name: [] for name in networks})
    for seed in seeds:
        for name, net in networks.items():
            trained = copy.deepcopy(net)
            run = Path(folder) / f"{name}_{seed}"
            fit(trained, frames, recipe, seed=seed, folder=run, device=device, name=f"{name}, seed {seed}")
            tuned.networks.setdefault(name, trained)
            tuned.scores[name].append(score(trained, name))
    return tuned


def time_plans(
    net: nn.Layer, plans: Mapping[str, Plan | None], folder: str | Path, deploy: DeploySpec
) -> dict[str, dict[str, Latency]]:
    """Export `net` after each plan (None: unpruned) into `folder`, and measure them all in interleaved rounds.

    Returns {engine: {name of the plan: Latency}}, first for oneDNN, last for the engine that is the fastest with the
    plan UNPRUNED: one engine if both are the same. Times are those from a frame of `deploy.size_hw` to its labels.
    """
    exports = export_plans(net, plans, folder)
    times = {"size_hw": deploy.size_hw, "warmup": deploy.warmup, "repeats": deploy.repeats}
    engines = dict.fromkeys((ONEDNN, fastest_engine(exports[UNPRUNED], **times)))
    return {engine: measure_exports(exports, engine=engine, **times) for engine in engines}


def time_table(runs: Mapping[str, Mapping[str, Latency]]) -> pd.DataFrame:
    """Tabulate times by engine and network: median ms, and median and quartiles of time over UNPRUNED in each round.

    `runs`: {engine: {network: Latency}} of interleaved rounds, UNPRUNED among the networks. Rows: networks; columns:
    (engine, "ms" | "ratio" | "quartile 1" | "quartile 3").
    """
    columns = {}
    for engine, measured in runs.items():
        ratios = {name: round_ratios(latency, measured[UNPRUNED]) for name, latency in measured.items()}
        columns[engine, "ms"] = {name: latency.median_ms for name, latency in measured.items()}
        for title, quantile in (("ratio", 0.5), ("quartile 1", 0.25), ("quartile 3", 0.75)):
            columns[engine, title] = {name: float(np.quantile(each, quantile)) for name, each in ratios.items()}
    return pd.DataFrame(columns)


def round_ratios(first: Latency, second: Latency) -> np.ndarray:
    """Return the time of `first` over that of `second` in each round, float64 (rounds,)."""
    return np.array(first.runs_ms) / np.array(second.runs_ms)


def time_verdict(first: str, second: str, measured: Mapping[str, Latency]) -> str:
    """Return "faster" or "slower" if three quarters of the rounds agree, else "not clearly faster or slower"."""
    low, high = np.quantile(round_ratios(measured[first], measured[second]), [0.25, 0.75])
    return "faster" if high < 1 else "slower" if low > 1 else "not clearly faster or slower"


def compare_times(first: str, second: str, measured: Mapping[str, Latency]) -> str:
    """Say in one sentence whether `first` was faster than `second`, see `time_verdict`, and if rounds were too few."""
    ratios = round_ratios(measured[first], measured[second])
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    verdict = time_verdict(first, second, measured)
    quartiles = f"quartiles of the rounds {low:.2f} and {high:.2f}"
    few = "; too few rounds for a conclusion" if len(ratios) < ENOUGH_ROUNDS else ""
    return f"{first} is {verdict} than {second}: {middle:.2f} of its time ({quartiles}){few}"


def measured_ms(times: pd.DataFrame, engine: str, plans: Mapping[str, Plan | None]) -> list[tuple[Plan | None, float]]:
    """Pair each plan with its median time in `times`, a `time_table`, as `fit_latency` takes them."""
    return [(plan, float(times.loc[name, (engine, "ms")])) for name, plan in plans.items()]


def prediction_errors(
    model: LatencyModel, analysis: Analysis, measured: Iterable[tuple[Plan | None, float]]
) -> list[float]:
    """Return (predicted - measured) / measured for pairs of (plan, ms), with None for the unpruned network."""
    unpruned = analysis.plan(0.0)
    return [model.predict(analysis, plan or unpruned) / ms - 1 for plan, ms in measured]


def weight_under_decay(optimiser: str, pull: float, *, lr: float, decay: float, steps: int) -> np.ndarray:
    """Train one weight that starts at 1, and return its value after each step, float64 (steps + 1,).

    The loss is pull / 2 * (weight - 1)^2: with `pull` 0 it does not need the weight. `optimiser`: "adam" adds decay
    times the weight to the gradient, "adamw" shrinks the weight by the factor 1 - lr * decay. Raises CourseError for
    another optimiser.
    """
    if optimiser not in ("adam", "adamw"):
        raise CourseError(f"Expected 'adam' or 'adamw', got {optimiser!r}.")
    weight, mean, square, path = 1.0, 0.0, 0.0, [1.0]
    for step in range(1, steps + 1):
        gradient = pull * (weight - 1)
        if optimiser == "adam":
            gradient += decay * weight
        else:
            weight *= 1 - lr * decay
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        weight -= lr * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        path.append(weight)
    return np.array(path)
