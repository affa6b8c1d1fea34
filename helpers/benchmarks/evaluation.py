"""How fast frames are evaluated, against the same evaluation written plainly, and what is beside the network.

`eval.speedup.eager`, `eval.speedup.engine`: time of `scripts/plain_evaluation.py`, in the environment that Paddle comes
with, over the time of `helpers.evaluation.evaluate`, with the live network and with the fastest exported model in
32-bit numbers; `eval.difference.*`: the largest difference between their class IoUs. `eval.overhead`: what the whole
evaluation takes beyond the network alone on prepared frames, as a share. `eval.confusion_speedup`: cityscapesScripts'
`evaluatePair`, without its instance scores, over `confusion_matrix`, both on one frame in memory. Fast-SCNN at the size
of Cityscapes.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import paddle
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from PIL import Image

from helpers import deployment, evaluation, miniscapes, models
from helpers.benchmarks.plain import plain_evaluation
from helpers.cityscapes import index, read_image, read_label
from helpers.cityscapes.annotations import to_label_ids
from helpers.cityscapes.frames import Frame
from helpers.datasets import normalise
from helpers.evaluation.opening import Segmenter

SIZE_HW = (1024, 2048)
FRAMES = 6
ROUNDS = 5
PAUSE_S = 0.25  # OpenMP's threads spin for 0.2 s after their work and would take a core from whoever comes next


def run(folder: Path, size_hw: tuple[int, int] = SIZE_HW, frames: int = FRAMES, rounds: int = ROUNDS) -> dict:
    """Measure, interleaved, medians of the rounds. Generates MiniScapes in `folder`; the network is random, seed 0.

    Beside each ratio stand its two sides in milliseconds a frame and its spread, (largest - smallest) / median.
    """
    root = miniscapes.generate(folder / "miniscapes", train=1, val=frames, test=1, size_hw=size_hw)
    pairs = index(root, "val")
    net = _network(pairs[0])
    weights = folder / "fastscnn" / models.WEIGHTS
    models.save_weights(net, weights)
    # ONNX is one way of several, and its converter an option.
    onnx_hw = [size_hw] if find_spec("paddle2onnx") and find_spec("onnxruntime") else []
    exported = deployment.export(net, folder / "exported", network="fastscnn", onnx_hw=onnx_hw)
    eager = evaluation.open_network(weights)
    engine = _fastest(exported, read_image(pairs[0]))
    seconds: dict[str, list[float]] = {name: [] for name in ("plain", "eager", "eager.alone", "engine", "engine.alone")}
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
        for turn in range(rounds + 1):  # the first one warms up
            found = {}
            for name, once in ways.items():
                time.sleep(PAUSE_S)
                found[name] = once()
            if turn:
                for name, (times, matrix) in found.items():
                    seconds[name].append(times["total"])
                    if matrix is not None:
                        stages[name].append(times)
                        ious[name] = evaluation.scores(matrix).class_iou
    _print_stages(stages, len(pairs))
    numbers = {f"eval.{name}_ms": 1000 * median(each) / len(pairs) for name, each in seconds.items()}
    for name in ("eager", "engine"):
        numbers |= _ratio(f"eval.speedup.{name}", seconds["plain"], seconds[name])
        difference = float(np.nanmax(np.abs(ious[name] - ious["plain"])))
        numbers[f"eval.difference.{name}"] = difference
    over = [whole / alone - 1 for whole, alone in zip(seconds["eager"], seconds["eager.alone"], strict=True)]
    over_engine = [whole / alone - 1 for whole, alone in zip(seconds["engine"], seconds["engine.alone"], strict=True)]
    numbers |= {"eval.overhead": median(over), "eval.overhead.low": min(over), "eval.overhead.high": max(over)}
    numbers["eval.overhead.engine"] = median(over_engine)
    return numbers | confusion_speed(pairs[0], rounds)


def _network(frame: Frame):
    """Fast-SCNN with random weights whose classifier is set so that it says many classes, not one everywhere."""
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
    """The exported model with the engine that is fastest here, of those that compute in 32 bits."""
    best, least = None, float("inf")
    for engine in deployment.available():
        if not deployment.ALL_ENGINES[engine].exact or (engine == "onnxruntime" and not find_spec("paddle2onnx")):
            continue
        network = evaluation.open_network(exported, engine=engine)
        times = [_seconds(lambda network=network: network(frame)) for _ in range(4)][1:]
        print(f"{engine}: {1000 * median(times):.0f} ms", flush=True)
        if median(times) < least:
            best, least = network, median(times)
    return best


def _seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ours(network: Segmenter, frames: list[Frame]) -> tuple[dict[str, float], np.ndarray]:
    result = evaluation.evaluate(network, frames)
    return result.seconds, result.matrix


def _alone(network: Segmenter, frames: list[Frame]) -> tuple[dict[str, float], None]:
    """The network and nothing else, on frames that were read before."""
    prepared = [network.prepare(read_image(frame)) for frame in frames]
    return {"total": _seconds(lambda: [network.labels(each) for each in prepared])}, None


def _ratio(name: str, slow: list[float], fast: list[float]) -> dict[str, float]:
    ratios = [one / other for one, other in zip(slow, fast, strict=True)]
    return {name: median(ratios), f"{name}.spread": (max(ratios) - min(ratios)) / median(ratios)}


def _print_stages(stages: dict[str, list[dict[str, float]]], frames: int) -> None:
    """Milliseconds of work a frame in each stage; with us they overlap, so the total is less than the sum."""
    names = ("read", "prepare", "network", "argmax", "score", "total")
    print("ms a frame " + "".join(f"{name:>9}" for name in names))
    for way, rounds in stages.items():
        each = [median(times.get(name, 0.0) for times in rounds) for name in names]
        cells = "".join(f"{1000 * value / frames:9.0f}" if value else f"{'':>9}" for value in each)
        print(f"{way:<11}{cells}", flush=True)


def confusion_speed(frame: Frame, rounds: int) -> dict[str, float]:
    """Time of cityscapesScripts' evaluator over ours, from a prediction and a label in memory to a confusion matrix."""
    truth = read_label(frame)
    guess = np.where(truth == 255, 0, np.roll(truth, 5, axis=1) % 19).astype(np.uint8)
    pictures = [Image.fromarray(to_label_ids(each)) for each in (guess, truth)]
    args, saved, opener = official.args, dict(vars(official.args)), official.Image.open
    args.evalInstLevelScore = False

    def theirs() -> np.ndarray:
        matrix = official.generateMatrix(args)
        official.evaluatePair(0, 1, matrix, None, {}, args)
        return matrix

    def ours() -> np.ndarray:
        return evaluation.confusion_matrix(guess, truth)

    try:
        official.Image.open = pictures.__getitem__  # from memory: neither side reads a file
        rows = to_label_ids(np.arange(19, dtype=np.uint8))
        assert np.array_equal(theirs()[np.ix_(rows, rows)].astype(np.int64), ours())  # not of user input
        times = {work.__name__: [] for work in (theirs, ours)}
        for _ in range(rounds):
            for work in (theirs, ours):
                times[work.__name__].append(_seconds(work))
    finally:
        official.Image.open = opener
        vars(args).update(saved)
    sides = {f"eval.confusion_ms.{name}": 1000 * median(each) for name, each in times.items()}
    return sides | _ratio("eval.confusion_speedup", times["theirs"], times["ours"])
