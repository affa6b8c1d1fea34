"""Seconds per training step of this course, relative to plain Paddle with its default flags.

Both sides train the same network from the same weights, with the same sizes and optimiser, each in a process of its
own. Ours is `fit`, which loads its data; the plain side (scripts/plain_training.py) gets its batches ready-made.

- `train.speedup.<network>`: plain over ours, medians of all steps; `train.speedup.<network>.spread`:
  (largest - smallest) / median over the rounds.
- `train.seconds.<network>.plain`, `train.seconds.<network>.ours`: median seconds per step.
- `train.data_wait.<network>`: share of our time in which no batch was ready, 0 to 1; `train.data_wait`: the larger one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from helpers import miniscapes, models, training
from helpers.benchmarks.timing import spread
from helpers.common.files import PROJECT
from helpers.common.runtime import settings
from helpers.datasets import open_dataset
from helpers.datasets.samples import training_batches
from helpers.profiles import Recipe, load_profile

# name: PaddleSeg's class, the size of a crop, and the weights of the losses of its outputs
NETWORKS = {
    "fastscnn": ("FastSCNN", (256, 512), (1.0, 0.4)),
    "uhrnet_w18_small": ("UHRNet_W18_Small", (128, 256), (1.0,)),
}
BATCH = 4


@dataclass(frozen=True)
class Size:
    """How much to measure: `rounds` of `steps` on each side, after `warmup` steps, on `frames` training frames.

    The share of waiting is taken over `wait_steps`: so many that the first batch, which no step hides, hardly counts.
    Height and width of frames and crops are divided by `shrink`.
    """

    networks: tuple[str, ...] = tuple(NETWORKS)
    shrink: int = 1
    frames: int = 24
    warmup: int = 3
    steps: int = 6
    rounds: int = 4
    wait_steps: int = 20


FULL = Size()
TINY = Size(networks=("fastscnn",), shrink=4, frames=BATCH, warmup=1, steps=1, rounds=1, wait_steps=1)


def run(folder: Path, size: Size = FULL) -> dict[str, float]:
    """Generate MiniScapes in `folder` and measure each network, the two sides in interleaved rounds."""
    size_hw = (256 // size.shrink, 512 // size.shrink)
    root = miniscapes.generate(folder / "miniscapes", train=size.frames, val=1, test=1, size_hw=size_hw)
    numbers, waits = {}, []
    for name in size.networks:
        plain, ours, wait = _measure(name, root, folder / name, size)
        ratios = [median(one) / median(two) for one, two in zip(plain, ours, strict=True)]
        sides = [median(sum(side, [])) for side in (plain, ours)]
        numbers |= {
            f"train.speedup.{name}": sides[0] / sides[1],
            f"train.speedup.{name}.spread": spread(ratios),
            f"train.seconds.{name}.plain": sides[0],
            f"train.seconds.{name}.ours": sides[1],
            f"train.data_wait.{name}": wait,
        }
        waits.append(wait)
    return {**numbers, "train.data_wait": max(waits)}


def recipe(name: str, shrink: int) -> Recipe:
    """Return the recipe of both sides: SGD, with the crop and batch of the benchmark."""
    _, (height, width), aux_weights = NETWORKS[name]
    return replace(
        load_profile("cityscapes").fastscnn,
        crop_hw=(height // shrink, width // shrink),
        batch_size=BATCH,
        aux_weights=aux_weights,
        lr=0.01,
        validate_every=0,
    )


def _measure(name: str, root: Path, folder: Path, size: Size) -> tuple[list[list[float]], list[list[float]], float]:
    folder.mkdir()
    _run_child("prepare", name, root, folder, size.shrink)
    commands = {
        "plain": [str(PROJECT / "scripts" / "plain_training.py"), NETWORKS[name][0]]
        + [str(folder / models.WEIGHTS), str(folder / "batches.npz"), "0.01"],
        "ours": ["-m", "helpers.benchmarks.training", "train", name, str(root), str(folder), str(size.shrink)],
    }
    seconds = {"plain": [], "ours": []}
    with ExitStack() as stack:
        children = {side: stack.enter_context(_Child(command, side)) for side, command in commands.items()}
        for child in children.values():
            child.train(size.warmup)
        for _ in range(size.rounds):
            for side, child in children.items():
                seconds[side].append(child.train(size.steps)[0])
        wait = children["ours"].train(size.wait_steps)[1]
    return seconds["plain"], seconds["ours"], wait


class _Child:
    """A process with its own flags, which trains when it gets a number of steps on standard input."""

    def __init__(self, command: list[str], side: str):
        environment = dict(os.environ)
        if side == "plain":  # without what helpers.common.runtime has set
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

    def train(self, steps: int) -> tuple[list[float], float]:
        """Return the seconds of each of the next `steps` steps, and the share of the time spent waiting for data."""
        print(steps, file=self.process.stdin, flush=True)
        wait = 0.0
        for line in self.process.stdout:
            word, *values = line.split() or [""]  # the progress bar prints empty lines
            if word == "wait":
                wait = float(values[0])
            if word == "seconds":
                return [float(value) for value in values], wait
        raise RuntimeError(f"the training process ended with exit code {self.process.wait()}; its message is above")


def _run_child(*arguments: object) -> None:
    command = [sys.executable, "-m", "helpers.benchmarks.training", *map(str, arguments)]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)


def prepare(name: str, root: Path, folder: Path, shrink: int) -> None:
    """Write the weights and batches that both sides start from."""
    models.save_weights(models.build(name, seed=0), folder / models.WEIGHTS)
    batches = training_batches(open_dataset(root).frames("train"), replace(recipe(name, shrink), iterations=4), seed=0)
    images, labels = zip(*((image.numpy(), label.numpy()) for image, label in batches), strict=True)
    np.savez(folder / "batches.npz", images=np.stack(images), labels=np.stack(labels))


def train(name: str, root: Path, folder: Path, shrink: int) -> None:
    """Train as many steps as each line of standard input says, timed from one computation of the loss to the next."""
    net = models.load_weights(models.build(name), folder / models.WEIGHTS)
    frames, both_sides = open_dataset(root).frames("train"), recipe(name, shrink)
    for line in sys.stdin:
        ticks = []

        def loss_fn(outputs, label, ticks=ticks):
            ticks.append(time.perf_counter())
            return training.segmentation_loss(outputs, label, both_sides.aux_weights)

        count = int(line) + 1
        history = training.fit(
            net, frames, replace(both_sides, iterations=count), seed=0, folder=folder / "run", loss_fn=loss_fn
        )
        print("wait", history.waiting / history.seconds)
        print("seconds", *np.diff(ticks), flush=True)


if __name__ == "__main__":
    task, network, data_root, run_folder, divisor = sys.argv[1:]
    {"prepare": prepare, "train": train}[task](network, Path(data_root), Path(run_folder), int(divisor))
