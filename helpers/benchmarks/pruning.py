"""How much faster a pruned Fast-SCNN is, for frames of Cityscapes' size with the argmax in the graph.

As the plan says that notebook 04 kept at profile mini ("kept", where there is one); or the same share goes from every
group: as much and in such multiples as there ("even"), or 51 % of the multiply-accumulates, aligned like that
("aligned") or not ("any"), or 70 %, aligned ("deep"). Weights are random: they do not change the time.
`prune.latency_ratio.onednn`: kept (without one, even) over unpruned in Paddle Inference with oneDNN;
`prune.latency_ratio.best`: in the engine that runs the unpruned network fastest; with the name of another plan at the
end, that one over unpruned. Beside each stand its two sides in ms and its spread, (third - first quartile) / median of
the single turns.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np

from helpers.common.files import PROJECT
from helpers.models import build
from helpers.profiles import load_profile
from helpers.pruning import Analysis, Plan, export_plans, fastest_engine, measure_exports

SIZE_HW = (1024, 2048)
CUT, DEEP_CUT = 0.51, 0.7
WARMUP, REPEATS = 3, 15
ONEDNN = "paddle-onednn"
KEPT = PROJECT / "outputs" / "mini" / "04" / "pruned" / "plan.json"


def run(folder: Path) -> dict[str, float]:
    """Export the networks into `folder`, choose the fastest engine, measure all in turns."""
    folder = Path(folder)
    net = build("fastscnn", seed=0)
    analysis, spec = Analysis(net, SIZE_HW), load_profile("mini").prune
    plans: dict[str, Plan | None] = {
        "before": None,
        "even": analysis.plan_for(spec.cut, align=spec.align),
        "aligned": analysis.plan_for(CUT, align=spec.align),
        "any": analysis.plan_for(CUT),
        "deep": analysis.plan_for(DEEP_CUT, align=spec.align),
    }
    if KEPT.is_file():
        plans["kept"] = Plan.load(KEPT)
    else:
        print(f"no plan at {KEPT}: the ratios without a name are those of the plan even", flush=True)
    times = {"size_hw": SIZE_HW, "warmup": WARMUP, "repeats": REPEATS}
    folders = export_plans(net, plans, folder)
    best = fastest_engine(folders["before"], **times)
    print(f"fastest engine: {best}", flush=True)
    measured = {engine: measure_exports(folders, engine=engine, **times) for engine in {ONEDNN, best}}
    numbers = {f"prune.cut.{name}": plan.cut for name, plan in plans.items() if plan is not None}
    for engine, told in ((ONEDNN, "onednn"), (best, "best")):
        runs = measured[engine]
        numbers |= {f"prune.ms.{told}.{name}": latency.median_ms for name, latency in runs.items()}
        before = np.array(runs["before"].runs_ms)
        named = {f".{name}": name for name, plan in plans.items() if plan is not None}
        for suffix, name in {"": "kept" if "kept" in plans else "even", **named}.items():
            ratios = np.array(runs[name].runs_ms) / before
            low, high = np.quantile(ratios, [0.25, 0.75])
            numbers[f"prune.latency_ratio.{told}{suffix}"] = float(median(ratios))
            numbers[f"prune.latency_ratio.{told}{suffix}.spread"] = float((high - low) / median(ratios))
    return numbers
