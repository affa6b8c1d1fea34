"""Latency from a frame to its labels: eager, in every engine of Paddle Inference, pruned, and in other engines.

Everything is measured in interleaved rounds of one run. "eager" is the network in the simplest code, in a process with
Paddle's default settings (scripts/plain_evaluation.py: normalise, network, argmax). "direct" are OpenVINO and ONNX
Runtime called without Paddle, with the same weights and the same steps before and after the network.

- `deploy.ms.<engine>`: median milliseconds of Fast-SCNN; `deploy.ms.<engine>.spread`: (largest - smallest) / median.
  Prefixes: "pruned_", the same share removed from every group, as much as the largest cut of notebook 04; "halved_",
  51 % of the multiply-accumulates.
- `deploy.speedup.best`, `deploy.speedup.fp32`: eager over the fastest engine of Paddle Inference, in any precision and
  in float32; `deploy.speedup.pruned_best`, `deploy.speedup.halved_best`: eager, unpruned, over the fastest pruned one.
- `deploy.vs_direct`, `deploy.vs_direct.fp32`: Paddle Inference over the faster direct engine; left out without these
  packages.
- `deploy.roofline_ratio`, `deploy.roofline_ratio.fp32`: the fastest engine in any precision and in float32 over the
  time that its convolutions take at the peak of that precision, measured in the same round.
- `deploy.speedup.<kind>.spread`, `deploy.vs_direct.spread`, `deploy.vs_direct.fp32.spread`,
  `deploy.roofline_ratio.spread`, `deploy.roofline_ratio.fp32.spread`: (largest - smallest) / median of the rounds.
- `deploy.peak_gflops.<precision>`: median peak, in 10^9 operations per second.
- `deploy.gpu.ms.<engine>`, `deploy.gpu.agreement.<engine>`: Fast-SCNN from a frame to labels in one graph on a GPU, and
  its agreement with eager; `deploy.gpu.pruned.<engine>`: the pruned network's time over it. Left out without a GPU.
- `deploy.fused_argmax_ms`: logits at an eighth of the frame's height and width to labels, median milliseconds.
- `deploy.memory_growth_mb`: memory in 10^6 bytes that the last nine tenths of a long series of frames add.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from paddle import nn

from helpers import miniscapes, models
from helpers.benchmarks.plain import plain_evaluation
from helpers.benchmarks.timing import seconds, spread
from helpers.common.runtime import usable_cores
from helpers.cpu import pixels
from helpers.datasets import open_dataset, read_image
from helpers.deployment import (
    ALL_ENGINES,
    ENGINES,
    Latency,
    Predictor,
    agreement,
    available,
    eager,
    export,
    machine,
    measure,
)
from helpers.profiles import load_profile
from helpers.pruning import prune

CPU_ENGINES = {name: engine for name, engine in ENGINES.items() if not engine.on_gpu}


@dataclass(frozen=True)
class Size:
    """How much to measure: `warmup` and then `repeats` rounds on a frame of `size_hw` (height, width) pixels.

    The peak is the best of `peak_tries` in each round. The growth of memory is taken over `frames` frames of
    `frames_hw` pixels, and the time of the fused argmax `argmax_repeats` times.
    """

    size_hw: tuple[int, int] = (1024, 2048)  # as Cityscapes
    warmup: int = 1
    repeats: int = 15
    peak_tries: int = 8
    frames_hw: tuple[int, int] = (512, 1024)
    frames: int = 1000
    argmax_repeats: int = 30


FULL = Size()
TINY = Size(size_hw=(64, 128), warmup=0, repeats=1, peak_tries=1, frames_hw=(64, 128), frames=10, argmax_repeats=1)


def run(folder: Path, size: Size = FULL) -> dict[str, float]:
    """Export the networks into `folder` and measure them with random weights, on which speed does not depend."""
    net = models.build("fastscnn", seed=0)
    net.eval()
    spec = load_profile("mini").prune
    cuts = {"pruned": max(spec.cuts), "halved": 0.51}
    smaller = {kind: prune(net, cut, size.size_hw, align=spec.align)[0] for kind, cut in cuts.items()}
    about = {name: ALL_ENGINES[name] for name in available()}
    direct = [name for name, each in about.items() if each.package and not each.provider and not each.int8]
    onnx_hw = [size.size_hw] if "onnxruntime" in direct else []
    unpruned = export(net, folder / "unpruned", network="fastscnn", onnx_hw=onnx_hw)
    calls: dict[str, Callable] = {name: Predictor(unpruned, name) for name in (*CPU_ENGINES, *direct)}
    for kind, pruned in smaller.items():
        pruned.eval()
        exported = export(pruned, folder / kind, network="fastscnn")
        calls |= {f"{kind}_{name}": Predictor(exported, name) for name in CPU_ENGINES}
    arithmetic, gflops = machine.Arithmetic(), []
    calls["peak"] = lambda _: gflops.append(arithmetic.gflops(size.peak_tries))
    measured = _measure(net, calls, folder, size)
    del measured["peak"]
    numbers = {f"deploy.ms.{name.replace('-', '_')}": latency.median_ms for name, latency in measured.items()}
    numbers |= {
        f"deploy.ms.{name.replace('-', '_')}.spread": spread(latency.runs_ms) for name, latency in measured.items()
    }
    numbers |= _ratios(measured, direct)
    gflops = gflops[size.warmup :]
    numbers |= _over_roofline(measured, gflops, models.cost(net, size.size_hw))
    for name in gflops[0]:
        numbers[f"deploy.peak_gflops.{name}"] = float(np.median([peaks[name] for peaks in gflops]))
    gpu_engines = [name for name in available() if ALL_ENGINES[name].on_gpu]
    numbers |= on_gpu({"unpruned": net, "pruned": smaller["pruned"]}, gpu_engines, folder, size)
    numbers["deploy.fused_argmax_ms"] = _fused_argmax_ms(size)
    numbers["deploy.memory_growth_mb"] = _memory_growth_mb(calls[_fastest(measured, list(CPU_ENGINES))], size)
    for call in calls.values():
        if isinstance(call, Predictor):
            call.close()
    return numbers


def on_gpu(nets: dict[str, nn.Layer], engines: list[str], folder: Path, size: Size) -> dict[str, float]:
    """Measure `engines` with the whole way from frames to labels in one graph; return nothing without engines."""
    if not engines:
        return {}
    frame = np.random.default_rng(0).integers(0, 256, (*size.size_hw, 3), dtype=np.uint8)
    calls: dict[tuple[str, str], Predictor] = {}
    for kind, net in nets.items():
        net.eval()
        target = folder / f"labels_{kind}"
        exported = export(net, target, network="fastscnn", graph="labels", onnx_hw=[size.size_hw])
        calls |= {(kind, name): Predictor(exported, name) for name in engines}
    expected = eager(nets["unpruned"])(frame)
    numbers = {}
    measured = measure(calls, frame, warmup=size.warmup, repeats=size.repeats)
    for name in engines:
        key = name.replace("-", "_")
        whole, pruned = (measured[kind, name].median_ms for kind in ("unpruned", "pruned"))
        numbers[f"deploy.gpu.ms.{key}"] = whole
        numbers[f"deploy.gpu.pruned.{key}"] = pruned / whole
        numbers[f"deploy.gpu.agreement.{key}"] = agreement(calls["unpruned", name](frame), expected)
    for predictor in calls.values():
        predictor.close()
    return numbers


def _measure(net: nn.Layer, calls: dict[str, Callable], folder: Path, size: Size) -> dict[str, Latency]:
    weights = folder / models.WEIGHTS
    models.save_weights(net, weights)
    root = miniscapes.generate(folder / "miniscapes", train=1, val=1, test=1, size_hw=size.size_hw)
    pair = open_dataset(root).frames("val")[0]
    milliseconds = []
    with plain_evaluation(weights, [pair]) as plain:

        def eager(_: np.ndarray) -> None:
            stages, _ = plain()
            milliseconds.append(1000 * sum(stages[stage] for stage in ("prepare", "network", "argmax")))
            time.sleep(0.25)  # OpenMP's threads spin for 0.2 s by default, on the cores of the next measurement

        measured = measure({"eager": eager, **calls}, read_image(pair), warmup=size.warmup, repeats=size.repeats)
    return {**measured, "eager": Latency(tuple(milliseconds[size.warmup :]))}


def _ratios(measured: dict[str, Latency], direct: list[str]) -> dict[str, float]:
    exact = [name for name in CPU_ENGINES if CPU_ENGINES[name].exact]
    sides = {
        "speedup.best": ("eager", _fastest(measured, list(CPU_ENGINES))),
        "speedup.fp32": ("eager", _fastest(measured, exact)),
    }
    for kind in ("pruned", "halved"):
        sides[f"speedup.{kind}_best"] = ("eager", _fastest(measured, [f"{kind}_{name}" for name in CPU_ENGINES]))
    if direct:
        exact_direct = [name for name in direct if ALL_ENGINES[name].exact]
        sides["vs_direct"] = (_fastest(measured, list(CPU_ENGINES)), _fastest(measured, direct))
        sides["vs_direct.fp32"] = (_fastest(measured, exact), _fastest(measured, exact_direct))
    numbers = {}
    for name, (above, below) in sides.items():
        rounds = np.divide(measured[above].runs_ms, measured[below].runs_ms)
        numbers[f"deploy.{name}"] = measured[above].median_ms / measured[below].median_ms
        numbers[f"deploy.{name}.spread"] = spread(rounds)
    return numbers


def _over_roofline(measured: dict[str, Latency], gflops: list[dict[str, float]], cost: models.Cost) -> dict[str, float]:
    numbers = {}
    for kind, names in (("", list(CPU_ENGINES)), (".fp32", [name for name in CPU_ENGINES if CPU_ENGINES[name].exact])):
        best = _fastest(measured, names)
        precision = "float32" if CPU_ENGINES[best].exact else "bfloat16"
        floors_ms = [machine.floor_ms(cost, peaks[precision]) for peaks in gflops]
        rounds = np.divide(measured[best].runs_ms, floors_ms)
        numbers[f"deploy.roofline_ratio{kind}"] = float(np.median(rounds))
        numbers[f"deploy.roofline_ratio{kind}.spread"] = spread(rounds)
    return numbers


def _fastest(measured: dict[str, Latency], names: list[str]) -> str:
    return min(names, key=lambda name: measured[name].median_ms)


def _fused_argmax_ms(size: Size) -> float:
    height, width = size.size_hw
    logits = np.random.default_rng(0).normal(size=(1, 19, height // 8, width // 8)).astype(np.float32)
    workers = pixels.Workers(usable_cores())
    times = [
        seconds(lambda: pixels.labels_of(logits, size.size_hw, False, workers)) for _ in range(size.argmax_repeats)
    ]
    workers.close()
    return 1000 * float(np.median(times))


def _memory_growth_mb(predict: Callable, size: Size) -> float:
    frames = np.random.default_rng(1).integers(0, 256, (4, *size.frames_hw, 3), dtype=np.uint8)
    process = psutil.Process()
    early = 0
    for number in range(size.frames):
        predict(frames[number % len(frames)])
        if number == size.frames // 10:
            early = process.memory_info().rss
    return (process.memory_info().rss - early) / 1e6
