"""Load trained arrays into the Paddle networks, evaluate them, and pack them as shipped weights. Needs Paddle.

python -m scripts.pretrain.pack FOLDER NAME [NAME ...] prints the scores; --into weights also packs the files there.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from helpers import miniscapes, models
from helpers.cityscapes import CITYSCAPES
from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import read_json
from helpers.datasets import Frame
from helpers.evaluation import evaluate
from helpers.models import shipped
from helpers.models.cards import Card, CardScores, CurvePoint
from helpers.models.pruned import Plan, apply_plan
from helpers.models.weight_files import Saved
from helpers.models.weights import set_weights
from helpers.notebook import Notebook

CONTROL = "fastscnn_control"
COUNTED_HW = (1024, 2048)
ONE_RUN = (
    "One training run with one random seed. The weights were adopted from it, not selected among several, and nothing "
    "is known about how far another seed would end from here."
)
_DATA = "MiniScapes, validation frames of "


def restore(folder: Path, name: str, *, rounded: bool = False) -> nn.Layer:
    """Build the network `name` of `folder`, load its trained arrays, and return it in evaluation mode.

    `rounded`: with convolutions as they are shipped, in int8. Raises CourseError if a file is missing or the arrays
    belong to another network.
    """
    path = folder / "trained" / f"{name}.npz"
    if not path.is_file():
        raise CourseError(f"{path} is missing: train the network first (scripts/pretrain/README.md).")
    net = models.build(read_json(folder / "graphs" / f"{name}.json")["network"], seed=0)
    if _plan_path(folder, name).is_file():
        apply_plan(net, Plan.load(_plan_path(folder, name)))
    # Layers that the exported graph does not have keep their random weights: auxiliary heads, and those never called.
    set_weights(net, Saved(_arrays(path, rounded), len(CITYSCAPES), CITYSCAPES.names), str(path), strict=False)
    net.eval()
    return net


def card(folder: Path, name: str, net: nn.Layer, scores: CardScores, control: CardScores | None) -> Card:
    """Return the model card of `net`, from its scores and from what `train.py` recorded in `folder`.

    `control` counts for pruned networks only.
    """
    about = read_json(folder / "trained" / f"{name}.json")
    cost = models.cost(net, COUNTED_HW)
    pruned = _plan_path(folder, name).is_file()
    title = models.title(about["network"])
    if pruned:
        title += f", pruned by {Plan.load(_plan_path(folder, name)).cut:.0%}"
    data = {"set": "MiniScapes", "version": miniscapes.VERSION, "split": "train", "seed": 1}
    curve = tuple(
        CurvePoint(
            seconds=point["seconds"],
            steps=point["steps"],
            samples=point["steps"] * about["batch"],
            loss=round(point["loss"], 4),
            miou=round(point["val"]["miou"], 4),
            acc=round(point["val"]["acc"], 4),
            miou_more=round(point["val_more"]["miou"], 4),
        )
        for point in about["curve"]
    )
    return Card(
        name=name,
        title=title,
        network=about["network"],
        classes=CITYSCAPES.names,
        origin=ONE_RUN,
        pruned=pruned,
        params=cost.params,
        gmacs=round(cost.gmacs, 3),
        data={**data, "frames": about["frames"], "size_hw": about["size_hw"]},
        training=_training(about),
        curve=curve,
        scores=scores,
        more_scores=CardScores(
            data=_DATA + "seed 1",
            frames=about["validation_frames"]["val_more"],
            miou=curve[-1].miou_more,
            acc=round(about["curve"][-1]["val_more"]["acc"], 4),
        ),
        control=control if pruned else None,
    )


def score(net: nn.Layer, frames: list[Frame], data: str) -> CardScores:
    """Evaluate `net` with `helpers.evaluation` on `frames`; `data` says which frames they are."""
    found = evaluate(net, frames).scores
    iou = tuple(None if math.isnan(each) else round(float(each), 3) for each in found.class_iou)
    numbers = {key: round(float(getattr(found, key)), 4) for key in ("miou", "acc", "kappa")}
    return CardScores(data=data, frames=len(frames), class_iou=iou, **numbers)


def _training(about: dict[str, Any]) -> dict[str, Any]:
    recipe = about["optimiser"]
    names = {"adam": "Adam, weight decay in the gradient", "adamw": "AdamW"}
    return {
        "start": about["start"],
        "seconds": about["seconds"],
        "steps": about["curve"][-1]["steps"],
        "batch": about["batch"],
        "hardware": about["hardware"],
        "software": f"{about['software']}, from an ONNX export of the Paddle network",
        "optimiser": names[recipe["optimiser"]],
        "learning_rate": recipe["lr"],
        "weight_decay": recipe["weight_decay"],
        "schedule": f"{recipe['warmup']} steps of warm-up, then (1 - t)^{recipe['power']} over {about['seconds']:g} "
        "seconds",
        "crop_hw": about["size_hw"],
        "scales": recipe["scales"],
        "augmentation": f"horizontal flip; brightness, contrast and saturation by {1 - recipe['jitter']:g} to "
        f"{1 + recipe['jitter']:g}",
        "class_weights": f"1 / ln({recipe['class_balance']} + share of the class)",
        "seed": about["seed"],
    }


def _arrays(path: Path, rounded: bool) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    if rounded:
        for key, array in arrays.items():
            if array.ndim == 4:
                values, scale = shipped.quantise(array)
                arrays[key] = values * scale[:, None, None, None]
    return arrays


def _plan_path(folder: Path, name: str) -> Path:
    return folder / "graphs" / f"{name}.plan.json"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--into", type=Path, help="pack into this folder")
    parser.add_argument("--profile", default="mini", help="whose validation frames count; default: mini")
    parser.add_argument("--data-root", default="", help="default: that of the profile")
    given = parser.parse_args(arguments)

    def run() -> None:
        notebook = Notebook("03", profile=given.profile, data_root=given.data_root, output_dir=given.folder / "outputs")
        frames = notebook.frames("val")
        data = f"{_DATA}profile {notebook.profile.name}"
        control = None
        if (given.folder / "trained" / f"{CONTROL}.npz").is_file():
            about = f"control: the unpruned network, trained for as long, on {data}"
            control = score(restore(given.folder, CONTROL), frames, about)
        for name in given.names:
            net = restore(given.folder, name, rounded=True)
            found = card(given.folder, name, net, score(net, frames, data), control)
            print(f"{name}: mIoU {found.scores.miou}, Acc {found.scores.acc}, Kappa {found.scores.kappa}", flush=True)
            if given.into:
                plan = _plan_path(given.folder, name)
                arrays = _arrays(given.folder / "trained" / f"{name}.npz", rounded=False)
                shipped.pack(found, arrays, given.into, plan.read_text() if found.pruned else None)

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
