"""Seconds of a training step in this course, against plain dygraph with Paddle's default flags.

`train.speedup.<network>`: median of plain over ours, the same network, weights, sizes and optimiser. Ours is `fit` with
its loading of data; the plain side (scripts/plain_training.py) is given its batches ready-made. `train.data_wait`: the
share (0 to 1) of our time in which no batch was ready, the larger of the two networks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from helpers import miniscapes
from helpers.cityscapes import index
from helpers.common.files import PROJECT
from helpers.common.runtime import settings
from helpers.profiles import Recipe, load_profile

# name: PaddleSeg's class, the size of a crop, and what its outputs weigh
NETWORKS = {
    "fastscnn": ("FastSCNN", (256, 512), (1.0, 0.4)),
    "uhrnet_w18_small": ("UHRNet_W18_Small", (128, 256), (1.0,)),
}
BATCH = 4
FRAMES = 24
WARM_UP = 3
STEPS = 6
ROUNDS = 4
WAIT_STEPS = 20  # enough that the first batch, which no step hides, weighs little


def run(folder: Path) -> dict[str, float]:
    """Measure both networks, the two sides in turns; medians over all steps. Beside each ratio stand its two sides in
    seconds per step and its spread, (largest - smallest) / median over the rounds."""
    root = miniscapes.generate(Path(folder) / "set", train=FRAMES, val=1, test=1, size_hw=(256, 512))
    numbers, waits = {}, []
    for name in NETWORKS:
        plain, ours, wait = _measure(name, root, Path(folder) / name)
        ratios = [median(one) / median(two) for one, two in zip(plain, ours, strict=True)]
        sides = [median(sum(side, [])) for side in (plain, ours)]
        numbers |= {
            f"train.speedup.{name}": sides[0] / sides[1],
            f"train.speedup.{name}.spread": (max(ratios) - min(ratios)) / median(ratios),
            f"train.seconds.{name}.plain": sides[0],
            f"train.seconds.{name}.ours": sides[1],
            f"train.data_wait.{name}": wait,
        }
        waits.append(wait)
    return {**numbers, "train.data_wait": max(waits)}


def recipe(name: str) -> Recipe:
    """The recipe of both sides: sgd, the crop and batch of the benchmark."""
    _, crop_hw, aux_weights = NETWORKS[name]
    return replace(
        load_profile("cityscapes").fastscnn,
        crop_hw=crop_hw,
        batch_size=BATCH,
        aux_weights=aux_weights,
        lr=0.01,
        validate_every=0,
    )


def _measure(name: str, root: Path, folder: Path) -> tuple[list[list[float]], list[list[float]], float]:
    folder.mkdir()
    _run_child("prepare", name, root, folder)
    commands = {
        "plain": [str(PROJECT / "scripts" / "plain_training.py"), NETWORKS[name][0]]
        + [str(folder / "weights.pdparams"), str(folder / "batches.npz"), "0.01"],
        "ours": ["-m", "helpers.benchmarks.training", "train", name, str(root), str(folder)],
    }
    seconds = {"plain": [], "ours": []}
    with ExitStack() as stack:
        children = {side: stack.enter_context(_Child(command, side)) for side, command in commands.items()}
        for child in children.values():
            child.ask(WARM_UP)
        for _ in range(ROUNDS):
            for side, child in children.items():
                seconds[side].append(child.ask(STEPS)[0])
        wait = children["ours"].ask(WAIT_STEPS)[1]
    return seconds["plain"], seconds["ours"], wait


class _Child:
    """A process that trains as many steps as it is asked for, with its own flags."""

    def __init__(self, command: list[str], side: str):
        environment = dict(os.environ)
        if side == "plain":  # as if this project had never set them
            environment = {name: value for name, value in environment.items() if name not in settings()}
            environment |= {"GLOG_minloglevel": "2", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def ask(self, steps: int) -> tuple[list[float], float]:
        """Seconds of each of the next `steps` steps, and the share of the time that was spent waiting for data."""
        print(steps, file=self.process.stdin, flush=True)
        wait = 0.0
        for line in self.process.stdout:
            word, *values = line.split() or [""]  # the bar prints empty lines
            if word == "wait":
                wait = float(values[0])
            if word == "seconds":
                return [float(value) for value in values], wait
        raise RuntimeError("the benchmarked process ended early; its message is above")


def _run_child(*arguments: object) -> None:
    command = [sys.executable, "-m", "helpers.benchmarks.training", *map(str, arguments)]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)


def prepare(name: str, root: Path, folder: Path) -> None:
    """Write the weights and batches that both sides start from."""
    from helpers import models
    from helpers.datasets import training_batches
    from helpers.models import save_weights

    save_weights(models.build(name, seed=0), folder / "weights.pdparams")
    batches = training_batches(index(root, "train"), replace(recipe(name), iterations=4), seed=0)
    images, labels = zip(*((image.numpy(), label.numpy()) for image, label in batches), strict=True)
    np.savez(folder / "batches.npz", images=np.stack(images), labels=np.stack(labels))


def train(name: str, root: Path, folder: Path) -> None:
    """Our side of the conversation: `fit`, timed from one computation of the loss to the next."""
    from helpers import models, training

    net = models.load_weights(models.build(name), folder / "weights.pdparams")
    frames = index(root, "train")
    for line in sys.stdin:
        ticks = []

        def loss_fn(outputs, label, ticks=ticks):
            ticks.append(time.perf_counter())
            return training.segmentation_loss(outputs, label, recipe(name).aux_weights)

        count = int(line) + 1
        history = training.fit(
            net, frames, replace(recipe(name), iterations=count), seed=0, folder=folder / "run", loss_fn=loss_fn
        )
        print("wait", history.waiting / history.seconds)
        print("seconds", *np.diff(ticks), flush=True)


if __name__ == "__main__":
    task, network, data, place = sys.argv[1:]
    {"prepare": prepare, "train": train}[task](network, Path(data), Path(place))
