"""The jobs of `soak.py`: each writes the results of a part of the course, which must survive being killed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path += [str(PROJECT), str(PROJECT / "tests" / "support")]

Job = Callable[[Path, Path], None]  # (folder of inputs, folder of results)


def _train(root: Path, folder: Path, teacher: bool) -> None:
    import paddle
    from tiny_network import TINY_RECIPE, TinyNet

    from helpers.datasets import open_dataset
    from helpers.pruning import distilled
    from helpers.training import fit, loop

    loop.CHECKPOINT_SECONDS = 0.02
    paddle.set_device("cpu")
    paddle.seed(0)
    frames = open_dataset(root / "set").frames("train")
    recipe = replace(TINY_RECIPE, iterations=120, validate_every=50)
    how = {"seed": 0, "folder": folder, "device": "cpu", "val_frames": frames[:2]}
    student = TinyNet()
    if not teacher:
        fit(student, frames, recipe, **how)
        return
    with distilled(student, TinyNet(), frames, recipe, share=0.5) as loss_fn:
        fit(student, frames, recipe, loss_fn=loss_fn, **how)


def training(root: Path, folder: Path) -> None:
    _train(root, folder, teacher=False)


def finetuning(root: Path, folder: Path) -> None:
    _train(root, folder, teacher=True)


def pruning(root: Path, folder: Path) -> None:
    """Measure the sensitivity of each group of channels, which is the part of pruning that resumes; then prune."""
    import numpy as np
    import paddle

    from helpers import models
    from helpers.models.pruned import save_pruned
    from helpers.pruning import Analysis, prune, sensitivity

    paddle.set_device("cpu")
    net = models.build("fastscnn", seed=0)
    analysis = Analysis(net, (64, 128))
    folder.mkdir(parents=True, exist_ok=True)

    def score(network) -> float:
        first = next(iter(network.state_dict().values())).numpy()
        return 1.0 + float(np.abs(first).mean())

    sensitivity(net, analysis, score, folder / "sensitivity.json", ratios=(0.5,))
    save_pruned(folder, *prune(net, 0.25, (64, 128)))


def prepare(root: Path, folder: Path) -> None:
    from helpers.cityscapes.prepare import prepare as run

    run([root / "leftImg8bit.zip", root / "gtFine.zip"], folder, workers=1)


def importing(root: Path, folder: Path) -> None:
    from helpers.datasets.__main__ import main

    code = main(["import", str(root / "masks"), "--to", str(folder), "--seed", "0"])
    if code:
        raise SystemExit(code)


def export(root: Path, folder: Path) -> None:
    import paddle
    from tiny_network import TinyNet

    from helpers.deployment.exports import export as write

    paddle.seed(0)
    net = TinyNet()
    net.eval()
    write(net, folder / "export", network="tiny")


def files(root: Path, folder: Path) -> None:
    """Write the same few files again and again: the cheapest job."""
    from helpers.common.files import write_bytes, write_json

    for number in range(200):
        write_bytes(folder / f"{number % 5}.bin", bytes([number % 5]) * 100_000)
        write_json(folder / "numbers.json", list(range(1000)))


JOBS: dict[str, Job] = {job.__name__: job for job in (files, training, finetuning, pruning, prepare, importing, export)}
_NETWORKS = ["helpers.training", "helpers.pruning", "helpers.deployment.exports", "tiny_network"]
PRELOADED = {
    **dict.fromkeys(JOBS, _NETWORKS),
    "files": ["helpers.common.files"],
    "prepare": ["helpers.cityscapes.prepare"],
    "importing": ["helpers.datasets"],
}


def inputs(folder: Path) -> Path:
    """Write the data set, its archives and its masks, from which the jobs start."""
    from PIL import Image
    from tiny_cityscapes import write_set

    root = write_set(folder / "set", size_hw=(64, 128))
    for name in ("leftImg8bit", "gtFine"):
        shutil.make_archive(str(folder / name), "zip", root, name)
    for kind in ("images", "masks"):
        (folder / "masks" / kind).mkdir(parents=True)
    for number in range(40):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(folder / "masks" / "images" / f"{number:03d}.png")
        Image.new("L", (64, 48), number % 3).save(folder / "masks" / "masks" / f"{number:03d}.png")
    return folder
