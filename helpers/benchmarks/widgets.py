"""How fast the demos of the notebooks answer, and whether their memory stays flat.

Each demo is used without a browser on frames of MiniScapes, 256 x 512 pixels: a control moves, and the call returns
when the new picture is encoded. The networks are those in weights/.

- `widgets.<demo>.first_s`: seconds from the demo's creation to its first picture.
- `widgets.<demo>.complete_s`: seconds until the demo is complete; the prediction demo opens its second network later.
- `widgets.<demo>.answer_s`, `widgets.<demo>.slowest_s`: median and largest seconds of the answers after a warm-up.
- `widgets.<demo>.growth_mb`: how much the resident memory of the process grew over the second half of the answers.
- `widgets.<demo>.answers`: how many answers were measured.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import ipywidgets

from helpers import deployment, miniscapes, models
from helpers.datasets import Frame, open_dataset, read_image
from helpers.pruning import Analysis
from helpers.training.recorded import shipped_runs
from helpers.widgets.dataset_browser import DatasetBrowser
from helpers.widgets.deploy_demo import DeployDemo
from helpers.widgets.picture import Picture
from helpers.widgets.polygon_stepper import PolygonStepper
from helpers.widgets.prediction_demo import PredictionDemo
from helpers.widgets.pruning_explorer import PruningExplorer
from helpers.widgets.run_browser import RunBrowser

NETWORK = "fastscnn"
PALETTES = ("distinct", "own")


@dataclass(frozen=True)
class Size:
    """How much to measure: `frames` of `size_hw` pixels, `answers` of each demo, and its warm-up."""

    frames: int = 8
    size_hw: tuple[int, int] = (256, 512)
    answers: int = 200
    warmup: int = 20


FULL = Size()
TINY = Size(frames=2, size_hw=(64, 128), answers=4, warmup=1)
Moves = Sequence[tuple[ipywidgets.Widget, Sequence[Any]]]  # controls with the values that they take in turn


def run(folder: Path, size: Size = FULL) -> dict[str, float]:
    """Measure every demo on frames generated into `folder`."""
    root = miniscapes.generate(folder / "set", train=1, val=size.frames, test=1, size_hw=size.size_hw)
    frames = open_dataset(root).frames("val")
    numbers: dict[str, float] = {}
    for name, (create, moves) in _demos(folder, frames).items():
        demo, times = _timed(create)
        times |= _use(moves(demo), size)
        numbers |= {f"widgets.{name}.{what}": value for what, value in times.items()}
    return numbers


def _demos(folder: Path, frames: list[Frame]) -> dict[str, tuple[Callable[[], Any], Callable[[Any], Moves]]]:
    """Each demo by name: how it is made, and which controls move."""
    net = models.load_shipped(NETWORK)
    analysis = Analysis(net, (1024, 2048))
    export = deployment.export(net, folder / NETWORK, network=NETWORK, classes=frames[0].dataset.classes)
    images, networks = [read_image(frame) for frame in frames], {name: name for name in models.cards()}
    numbers = range(len(frames))
    return {
        "dataset": (
            lambda: DatasetBrowser(frames[0].dataset),
            lambda demo: [
                (demo.split, ["train", "val"]),
                (demo.opacity, [0.3, 0.6]),
                (demo.switches.palette, PALETTES),
            ],
        ),
        "polygons": (
            lambda: PolygonStepper(frames[0]),
            lambda demo: [(demo.count, range(demo.count.max)), (demo.opacity, [0.3, 0.6])],
        ),
        "prediction": (
            lambda: PredictionDemo(networks, frames),
            lambda demo: [(demo.number, numbers), (demo.left, list(networks)), (demo.wipe, [0.2, 0.8])],
        ),
        "deploy": (
            lambda: DeployDemo({NETWORK: export}, images),
            lambda demo: [(demo.number, numbers), (demo.opacity, [0.3, 0.6]), (demo.palette, PALETTES)],
        ),
        "pruning": (
            lambda: PruningExplorer(analysis),
            lambda demo: [(demo.cut, [0.3, 0.5, 0.7]), (demo.align, [1, 16])],
        ),
        "runs": (
            lambda: RunBrowser(shipped_runs()),
            lambda demo: [(demo.smooth, [5, 20]), (demo.logarithmic, [False, True])],
        ),
    }


def _timed(create: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return a new demo, and the seconds until its first picture and until it was complete."""
    shown: list[float] = []

    def watch(widget: ipywidgets.Widget) -> None:
        if isinstance(widget, Picture):
            widget.observe(lambda _: shown.append(time.perf_counter()), "value")

    ipywidgets.Widget.on_widget_constructed(watch)
    try:
        started = time.perf_counter()
        demo = create()
        return demo, {"first_s": shown[0] - started, "complete_s": time.perf_counter() - started}
    finally:
        ipywidgets.Widget.on_widget_constructed(None)


def _use(moves: Moves, size: Size) -> dict[str, float]:
    """Move the controls in turn and return the numbers."""
    times, memory = [], []
    for control, value in _steps(moves):
        if control.value == value:
            continue
        started = time.perf_counter()
        control.value = value
        times.append(time.perf_counter() - started)
        gc.collect()
        memory.append(_resident_mb())
        if len(times) == size.warmup + size.answers:
            break
    times = times[size.warmup :]
    half = len(memory) // 2
    return {
        "answer_s": median(times),
        "slowest_s": max(times),
        "growth_mb": memory[-1] - memory[half],
        "answers": len(times),
    }


def _steps(moves: Moves) -> Iterator[tuple[ipywidgets.Widget, Any]]:
    """Yield a step of each control in turn, forever."""
    turns = [(control, cycle(values)) for control, values in moves]
    for control, values in cycle(turns):
        yield control, next(values)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
