"""Record the runs that the demo of notebook 02 compares: learning rates, crops and losses, one change at a time.

`python scripts/record_runs.py [lr] [crop] [loss]` trains with profile mini on a CPU and merges the runs of these parts
(default: all) into helpers/training/recorded_runs.json.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from dataclasses import asdict, replace

from helpers import models, training
from helpers.common.files import read_json, write_json
from helpers.common.runtime import usable_cores
from helpers.notebook import Notebook
from helpers.training.recorded import RECORDED

NETWORK = "fastscnn"
ITERATIONS = 80
VALIDATE_EVERY = 20
BASE = {"lr": 3e-3, "crop_hw": (96, 192), "losses": (("cross_entropy", 1.0),)}
PARTS = {
    "lr": [{"lr": lr} for lr in (3e-4, 3e-3, 3e-2)],
    "crop": [{"crop_hw": crop} for crop in ((64, 128),)],
    "loss": [
        {"losses": losses}
        for losses in (
            (("ohem", 1.0),),
            (("cross_entropy", 1.0), ("dice", 1.0)),
            (("cross_entropy", 0.5), ("lovasz", 1.0)),
        )
    ],
}


def main(parts: list[str]) -> None:
    """Train and write the runs of `parts`; other recorded runs are kept."""
    nb = Notebook("02", profile="mini")
    train_frames, val_frames = nb.frames("train"), nb.frames("val")
    kept = read_json(RECORDED)["runs"] if RECORDED.is_file() else []
    runs = {run["name"]: run for run in kept}
    for change in (change for part in parts for change in PARTS[part]):
        changed = {**BASE, **change}
        recipe = replace(
            nb.profile.fastscnn, iterations=ITERATIONS, validate_every=VALIDATE_EVERY, scale_min=0.5, **changed
        )
        name = "recorded: " + ", ".join(f"{key} {_text(value)}" for key, value in changed.items())
        with tempfile.TemporaryDirectory() as folder:
            net = models.build(NETWORK, seed=0)
            history = training.fit(net, train_frames, recipe, seed=0, folder=folder, name=name, val_frames=val_frames)
        runs[name] = {
            "name": name,
            "settings": {"network": NETWORK, **asdict(recipe)},
            "loss": [round(value, 4) for value in history.loss],
            "lr": [float(f"{value:.4g}") for value in history.lr],
            "validated": history.validated,
            "miou": [round(value, 4) for value in history.miou],
        }
        about = f"{nb.caption}; {usable_cores()} core(s) of {platform.machine()}, no GPU; each run once"
        write_json(RECORDED, {"about": about, "runs": list(runs.values())})


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value[0], int):
        return "x".join(map(str, value))
    return "+".join(name for name, _ in value)


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
