"""Latency of a pruned Fast-SCNN relative to the unpruned one, frame to labels with the argmax in the graph.

Plans: "kept" is the plan that notebook 04 wrote at profile mini, left out when there is none. The others remove the
same share from every group: "even" the profile's largest cut, in its multiples of channels; "aligned" 51 % of the
multiply-accumulates in these multiples, "any" 51 % in any numbers of channels, "deep" 70 % in multiples. Weights are
random: they do not change the time. Engines: "onednn" is Paddle Inference with oneDNN, "best" the engine that runs the
unpruned network fastest.

- `prune.cut.<plan>`: share of the multiply-accumulates that the plan removes, 0 to 1.
- `prune.ms.<engine>.<plan>`: median milliseconds; "before" is the unpruned network.
- `prune.latency_ratio.<engine>.<plan>`: pruned over unpruned, median of the single rounds;
  `prune.latency_ratio.<engine>.<plan>.spread`: (third - first quartile) / median.
- `prune.latency_ratio.<engine>`, `prune.latency_ratio.<engine>.spread`: of the plan "kept", else of "even".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from helpers.common.files import PROJECT
from helpers.models import build
from helpers.profiles import load_profile
from helpers.pruning import Analysis, Plan, export_plans, fastest_engine, measure_exports

# name: share of the multiply-accumulates to remove (None: the profile's largest cut), and whether channels are aligned
PLANS = {"even": (None, True), "aligned": (0.51, True), "any": (0.51, False), "deep": (0.7, True)}
ONEDNN = "paddle-onednn"
KEPT = PROJECT / "outputs" / "mini" / "04" / "pruned" / "plan.json"


@dataclass(frozen=True)
class Size:
    """How much to measure: `warmup` and then `repeats` rounds on a frame of `size_hw` (height, width) pixels.

    `plans` are the keys of PLANS to measure, "even" among them.
    """

    size_hw: tuple[int, int] = (1024, 2048)  # as Cityscapes
    warmup: int = 3
    repeats: int = 15
    plans: tuple[str, ...] = tuple(PLANS)


FULL = Size()
TINY = Size(size_hw=(64, 128), warmup=0, repeats=1, plans=("even", "any"))


def run(folder: Path, size: Size = FULL) -> dict[str, float]:
    """Export the networks into `folder`, choose the fastest engine, measure all in interleaved rounds."""
    net = build("fastscnn", seed=0)
    analysis, spec = Analysis(net, size.size_hw), load_profile("mini").prune
    plans: dict[str, Plan | None] = {"before": None}
    for name in size.plans:
        cut, aligned = PLANS[name]
        plans[name] = analysis.plan_for(cut or max(spec.cuts), align=spec.align if aligned else 1)
    if KEPT.is_file():
        plans["kept"] = Plan.load(KEPT)
    else:
        print(f"No plan at {KEPT}: the ratios without the name of a plan are those of the plan even.", flush=True)
    times = {"size_hw": size.size_hw, "warmup": size.warmup, "repeats": size.repeats}
    folders = export_plans(net, plans, folder)
    best = fastest_engine(folders["before"], **times)
    print(f"fastest engine: {best}", flush=True)
    measured = {engine: measure_exports(folders, engine=engine, **times) for engine in {ONEDNN, best}}
    numbers = {f"prune.cut.{name}": plan.cut for name, plan in plans.items() if plan is not None}
    for engine, short in ((ONEDNN, "onednn"), (best, "best")):
        runs = measured[engine]
        numbers |= {f"prune.ms.{short}.{name}": latency.median_ms for name, latency in runs.items()}
        before = np.array(runs["before"].runs_ms)
        named = {f".{name}": name for name, plan in plans.items() if plan is not None}
        for suffix, name in {"": "kept" if "kept" in plans else "even", **named}.items():
            ratios = np.array(runs[name].runs_ms) / before
            low, high = np.quantile(ratios, [0.25, 0.75])
            numbers[f"prune.latency_ratio.{short}{suffix}"] = float(median(ratios))
            numbers[f"prune.latency_ratio.{short}{suffix}.spread"] = float((high - low) / median(ratios))
    return numbers
