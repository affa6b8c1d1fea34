"""How much faster a pruned Fast-SCNN is, for frames of Cityscapes' size with the argmax in the graph.

51 % of the multiply-accumulates go, the same share from every group, in multiples of 16 channels ("aligned") or not
("any"); or 70 %, aligned ("deep"); or as the plan says that notebook 04 kept at profile mini ("kept", where there is
one). Weights are random: they do not change the time. `prune.latency_ratio.onednn`: kept (without one, aligned) over
unpruned in Paddle Inference with oneDNN; `prune.latency_ratio.best`: in the engine that runs the unpruned network
fastest; with the name of another plan at the end, that one over unpruned. Beside each stand its two sides in ms and its
spread, (third - first quartile) / median of the single turns.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np

from helpers.deployment import ENGINES, Predictor, measure
from helpers.models import build
from helpers.notebook import PROJECT
from helpers.pruning import Analysis, Plan, export_plans, measure_exports

SIZE_HW = (1024, 2048)
CUT, DEEP_CUT, ALIGN = 0.51, 0.7, 16
WARMUP, REPEATS = 3, 15
ONEDNN = "paddle-onednn"
KEPT = PROJECT / "outputs" / "mini" / "04" / "pruned" / "plan.json"


def run(folder: Path) -> dict[str, float]:
    """Export four networks into `folder`, choose the fastest engine, measure all in turns."""
    folder = Path(folder)
    net = build("fastscnn", seed=0)
    analysis = Analysis(net, SIZE_HW)
    plans: dict[str, Plan | None] = {
        "before": None,
        "aligned": analysis.plan_for(CUT, align=ALIGN),
        "any": analysis.plan_for(CUT),
        "deep": analysis.plan_for(DEEP_CUT, align=ALIGN),
    }
    if KEPT.is_file():
        plans["kept"] = Plan.load(KEPT)
    else:
        print(f"no plan at {KEPT}: the ratios without a name are those of the plan aligned", flush=True)
    times = {"size_hw": SIZE_HW, "warmup": WARMUP, "repeats": REPEATS}
    folders = export_plans(net, plans, folder)
    best = _fastest(folders["before"])
    measured = {engine: measure_exports(folders, engine=engine, **times) for engine in {ONEDNN, best}}
    numbers = {f"prune.cut.{name}": plan.cut for name, plan in plans.items() if plan is not None}
    for engine, told in ((ONEDNN, "onednn"), (best, "best")):
        runs = measured[engine]
        numbers |= {f"prune.ms.{told}.{name}": latency.median_ms for name, latency in runs.items()}
        before = np.array(runs["before"].runs_ms)
        named = {f".{name}": name for name, plan in plans.items() if plan is not None}
        for suffix, name in {"": "kept" if "kept" in plans else "aligned", **named}.items():
            ratios = np.array(runs[name].runs_ms) / before
            low, high = np.quantile(ratios, [0.25, 0.75])
            numbers[f"prune.latency_ratio.{told}{suffix}"] = float(median(ratios))
            numbers[f"prune.latency_ratio.{told}{suffix}.spread"] = float((high - low) / median(ratios))
    return numbers


def _fastest(exported: Path) -> str:
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)
    predictors = {name: Predictor(exported, name) for name in ENGINES}
    runs = measure(predictors, frame, warmup=2, repeats=5)
    for predictor in predictors.values():
        predictor.close()
    fastest = min(runs, key=lambda name: runs[name].median_ms)
    print(f"fastest engine: {fastest}", flush=True)
    return fastest
