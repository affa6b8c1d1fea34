"""Speed of an evaluation, relative to the same evaluation written plainly, and its overhead over the network alone.

Fast-SCNN with random weights. The plain evaluation is `scripts/plain_evaluation.py`, a process with Paddle's default
settings; the other one is `helpers.evaluation.evaluate`, with the live network ("eager") and with an exported model in
the fastest float32 engine ("engine").

- `eval.plain_ms`, `eval.eager_ms`, `eval.engine_ms`: milliseconds per frame, medians of the rounds.
- `eval.eager.alone_ms`, `eval.engine.alone_ms`: the network alone, on prepared frames.
- `eval.speedup.<way>`: the plain evaluation over this one, median of the rounds; `eval.speedup.<way>.spread`:
  (largest - smallest) / median.
- `eval.difference.<way>`: largest difference of a class IoU from the plain evaluation.
- `eval.overhead`, `eval.overhead.low`, `eval.overhead.high`: time of the eager evaluation relative to the network
  alone, minus 1: median, smallest and largest; `eval.overhead.engine`: the median for the engine.
- `eval.confusion_ms.theirs`, `eval.confusion_ms.ours`: cityscapesScripts' `evaluatePair` without its instance scores,
  and `confusion_matrix`, for one frame in memory; `eval.confusion_speedup`, `eval.confusion_speedup.spread`: the ratio.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import paddle
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from PIL import Image

from helpers import deployment, evaluation, miniscapes, models
from helpers.benchmarks.plain import plain_evaluation
from helpers.benchmarks.timing import paired_ratio, seconds
from helpers.cityscapes import CITYSCAPES
from helpers.cityscapes.annotations import to_label_ids
from helpers.datasets import Frame, normalise, open_dataset, read_image, read_label
from helpers.evaluation.opening import Segmenter

PAUSE_S = 0.25  # OpenMP's threads spin for 0.2 s after their work and would take a core from the next measurement


@dataclass(frozen=True)
class Size:
    """How much to measure: `frames` of `size_hw` (height, width) pixels in each of the `rounds`."""

    size_hw: tuple[int, int] = (1024, 2048)  # as Cityscapes
    frames: int = 6
    rounds: int = 5


FULL = Size()
TINY = Size(size_hw=(64, 128), frames=1, rounds=1)


def run(folder: Path, size: Size = FULL) -> dict[str, float]:
    """Generate MiniScapes and export the network in `folder`, then measure all ways in interleaved rounds."""
    root = miniscapes.generate(folder / "miniscapes", train=1, val=size.frames, test=1, size_hw=size.size_hw)
    pairs = open_dataset(root).frames("val")
    net = _network(pairs[0])
    weights = folder / "fastscnn" / models.WEIGHTS
    models.save_weights(net, weights)
    # ONNX Runtime is one engine of several, and its converter an optional package.
    onnx_hw = [size.size_hw] if find_spec("paddle2onnx") and find_spec("onnxruntime") else []
    exported = deployment.export(net, folder / "exported", network="fastscnn", onnx_hw=onnx_hw)
    eager = evaluation.open_network(weights)
    engine = _fastest(exported, read_image(pairs[0]))
    times: dict[str, list[float]] = {name: [] for name in ("plain", "eager", "eager.alone", "engine", "engine.alone")}
    stages: dict[str, list[dict[str, float]]] = {"plain": [], "eager": [], "engine": []}
    ious: dict[str, np.ndarray] = {}
    with plain_evaluation(weights, pairs) as plain:
        ways = {
            "plain": plain,
            "eager": lambda: _ours(eager, pairs),
            "eager.alone": lambda: _alone(eager, pairs),
            "engine": lambda: _ours(engine, pairs),
            "engine.alone": lambda: _alone(engine, pairs),
        }
        for number in range(size.rounds + 1):  # the first one warms up
            found = {}
            for name, once in ways.items():
                time.sleep(PAUSE_S)
                found[name] = once()
            if number:
                for name, (taken, matrix) in found.items():
                    times[name].append(taken["total"])
                    if matrix is not None:
                        stages[name].append(taken)
                        ious[name] = evaluation.scores(matrix).class_iou
    _print_stages(stages, len(pairs))
    numbers = {f"eval.{name}_ms": 1000 * median(each) / len(pairs) for name, each in times.items()}
    for name in ("eager", "engine"):
        numbers |= paired_ratio(f"eval.speedup.{name}", times["plain"], times[name])
        numbers[f"eval.difference.{name}"] = float(np.nanmax(np.abs(ious[name] - ious["plain"])))
    over, over_engine = (
        [total / alone - 1 for total, alone in zip(times[name], times[f"{name}.alone"], strict=True)]
        for name in ("eager", "engine")
    )
    numbers |= {"eval.overhead": median(over), "eval.overhead.low": min(over), "eval.overhead.high": max(over)}
    numbers["eval.overhead.engine"] = median(over_engine)
    return numbers | confusion_speed(pairs[0], size.rounds)


def _network(frame: Frame):
    """Build Fast-SCNN with random weights and scale its classifier so that it predicts many classes."""
    net = models.build("fastscnn", seed=0)
    net.eval()
    with paddle.no_grad():
        logits = net(paddle.to_tensor(normalise(read_image(frame))[np.newaxis]))[0]
        mean, spread = logits.mean(axis=[0, 2, 3]), logits.std(axis=[0, 2, 3])
        classifier = net.classifier.conv
        classifier.weight.set_value(classifier.weight / spread.reshape([-1, 1, 1, 1]))
        classifier.bias.set_value((classifier.bias - mean) / spread)
    return net


def _fastest(exported: Path, frame: np.ndarray) -> Segmenter:
    """Open the exported model with the fastest engine that computes in float32."""
    best, least = None, float("inf")
    for engine in deployment.available():
        about = deployment.ALL_ENGINES[engine]
        if not about.exact or (about.reads_onnx and not find_spec("paddle2onnx")):
            continue
        network = evaluation.open_network(exported, engine=engine)
        times = [seconds(lambda network=network: network(frame)) for _ in range(4)][1:]
        print(f"{engine}: {1000 * median(times):.0f} ms", flush=True)
        if median(times) < least:
            best, least = network, median(times)
    return best


def _ours(network: Segmenter, frames: list[Frame]) -> tuple[dict[str, float], np.ndarray]:
    result = evaluation.evaluate(network, frames)
    return result.seconds, result.matrix


def _alone(network: Segmenter, frames: list[Frame]) -> tuple[dict[str, float], None]:
    """Time the network alone, on frames that were read before."""
    prepared = [network.prepare(read_image(frame)) for frame in frames]
    return {"total": seconds(lambda: [network.labels(each) for each in prepared])}, None


def _print_stages(stages: dict[str, list[dict[str, float]]], frames: int) -> None:
    """Print the milliseconds per frame of each stage. In `evaluate` they overlap: the total is less than the sum."""
    names = ("read", "prepare", "network", "argmax", "score", "total")
    print("ms / frame " + "".join(f"{name:>9}" for name in names))
    for way, rounds in stages.items():
        each = [median(times.get(name, 0.0) for times in rounds) for name in names]
        cells = "".join(f"{1000 * value / frames:9.0f}" if value else f"{'':>9}" for value in each)
        print(f"{way:<11}{cells}", flush=True)


def confusion_speed(frame: Frame, rounds: int) -> dict[str, float]:
    """Compare cityscapesScripts' evaluator with ours, from a prediction and a label in memory to a confusion matrix."""
    truth = read_label(frame)
    guess = np.where(truth == 255, 0, np.roll(truth, 5, axis=1) % len(CITYSCAPES)).astype(np.uint8)
    pictures = [Image.fromarray(to_label_ids(each)) for each in (guess, truth)]
    args, saved, opener = official.args, dict(vars(official.args)), official.Image.open
    args.evalInstLevelScore = False

    def theirs() -> np.ndarray:
        matrix = official.generateMatrix(args)
        official.evaluatePair(0, 1, matrix, None, {}, args)
        return matrix

    def ours() -> np.ndarray:
        return evaluation.confusion_matrix(guess, truth, len(CITYSCAPES))

    try:
        official.Image.open = pictures.__getitem__  # from memory: neither side reads a file
        rows = to_label_ids(np.arange(len(CITYSCAPES), dtype=np.uint8))
        if not np.array_equal(theirs()[np.ix_(rows, rows)].astype(np.int64), ours()):
            raise RuntimeError("the two confusion matrices differ: their times must not be compared")
        times = {work.__name__: [] for work in (theirs, ours)}
        for _ in range(rounds):
            for work in (theirs, ours):
                times[work.__name__].append(seconds(work))
    finally:
        official.Image.open = opener
        vars(args).update(saved)
    sides = {f"eval.confusion_ms.{name}": 1000 * median(each) for name, each in times.items()}
    return sides | paired_ratio("eval.confusion_speedup", times["theirs"], times["ours"])
