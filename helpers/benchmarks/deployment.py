"""From a frame of 1024 x 2048 to its labels: eager, every engine, pruned, and other engines called without Paddle.

All take turns in one run; eager is the network as one calls it first, in a process without the settings of this project
(scripts/plain_evaluation.py: normalise, network, argmax). `deploy.ms.<engine>`: medians. `deploy.speedup.best` and
`.fp32`: eager over the fastest engine of Paddle Inference, in any precision and in float32; `.pruned_best`: eager over
the fastest on the network pruned evenly by as much as in notebook 04 at profile mini; `.halved_best`: by 51 %.
`deploy.roofline_ratio` and `.fp32`: the fastest in any precision and in float32 over the time that its operations
take at the peak of its precision, as measured in the same turn. `deploy.vs_direct` and `.fp32`: Paddle Inference over
the faster of OpenVINO and ONNX Runtime, which get the same weights and share the steps before and after the network.
`deploy.fused_argmax_ms`: 19 x 128 x 256 logits to labels. `deploy.memory_growth_mb`: what 900 frames add to the
memory that the first 100 took. A ratio stands with its spread, (largest - smallest) / median over the turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from paddle import nn

from helpers import miniscapes, models
from helpers.benchmarks.plain import plain_evaluation
from helpers.cityscapes import index, read_image
from helpers.common.runtime import usable_cores
from helpers.cpu import pixels
from helpers.deployment import ALL_ENGINES, ENGINES, Latency, Predictor, available, export, machine, measure
from helpers.profiles import load_profile
from helpers.pruning import prune

SIZE_HW = (1024, 2048)
WARMUP, REPEATS = 1, 15
PEAK_TRIES = 8  # in each turn, the best counts
FRAMES_HW, FRAMES = (512, 1024), 1000  # for the growth of memory


def run(folder: Path) -> dict[str, float]:
    """Measure with random weights, on which speed does not depend."""
    net = models.build("fastscnn", seed=0)
    net.eval()
    spec = load_profile("mini").prune
    cuts = {"pruned": spec.cut, "halved": 0.51}
    smaller = {kind: prune(net, cut, SIZE_HW, align=spec.align)[0] for kind, cut in cuts.items()}
    direct = [name for name in available() if ALL_ENGINES[name].package]
    whole = export(net, folder / "whole", network="fastscnn", onnx_hw=[SIZE_HW] if "onnxruntime" in direct else [])
    calls: dict[str, Callable] = {name: Predictor(whole, name) for name in (*ENGINES, *direct)}
    for kind, pruned in smaller.items():
        pruned.eval()
        exported = export(pruned, folder / kind, network="fastscnn")
        calls |= {f"{kind}_{name}": Predictor(exported, name) for name in ENGINES}
    arithmetic, gflops = machine.Arithmetic(), []
    calls["peak"] = lambda _: gflops.append(arithmetic.gflops(PEAK_TRIES))
    measured = _measure(net, calls, folder)
    del measured["peak"]
    numbers = {f"deploy.ms.{name.replace('-', '_')}": latency.median_ms for name, latency in measured.items()}
    numbers |= {
        f"deploy.ms.{name.replace('-', '_')}.spread": _spread(latency.runs_ms) for name, latency in measured.items()
    }
    numbers |= _ratios(measured, direct)
    numbers |= _over_roofline(measured, gflops[WARMUP:], models.cost(net, SIZE_HW))
    for name in gflops[0]:
        numbers[f"deploy.peak_gflops.{name}"] = float(np.median([turn[name] for turn in gflops[WARMUP:]]))
    numbers["deploy.fused_argmax_ms"] = _fused_argmax_ms()
    numbers["deploy.memory_growth_mb"] = _memory_growth_mb(calls[_fastest(measured, list(ENGINES))])
    for call in calls.values():
        if isinstance(call, Predictor):
            call.close()
    return numbers


def _measure(net: nn.Layer, calls: dict[str, Callable], folder: Path) -> dict[str, Latency]:
    weights = folder / models.WEIGHTS
    models.save_weights(net, weights)
    root = miniscapes.generate(folder / "miniscapes", train=1, val=1, test=1, size_hw=SIZE_HW)
    pair = index(root, "val")[0]
    milliseconds = []
    with plain_evaluation(weights, [pair]) as plain:

        def eager(_: np.ndarray) -> None:
            seconds, _ = plain()
            milliseconds.append(1000 * sum(seconds[stage] for stage in ("prepare", "network", "argmax")))
            time.sleep(0.25)  # by default its OpenMP threads spin for 0.2 s, on the cores of whoever comes next

        measured = measure({"eager": eager, **calls}, read_image(pair), warmup=WARMUP, repeats=REPEATS)
    return {**measured, "eager": Latency(tuple(milliseconds[WARMUP:]))}


def _ratios(measured: dict[str, Latency], direct: list[str]) -> dict[str, float]:
    exact = [name for name in ENGINES if ENGINES[name].exact]
    sides = {
        "speedup.best": ("eager", _fastest(measured, list(ENGINES))),
        "speedup.fp32": ("eager", _fastest(measured, exact)),
    }
    for kind in ("pruned", "halved"):
        sides[f"speedup.{kind}_best"] = ("eager", _fastest(measured, [f"{kind}_{name}" for name in ENGINES]))
    if direct:
        exact_direct = [name for name in direct if ALL_ENGINES[name].exact]
        sides["vs_direct"] = (_fastest(measured, list(ENGINES)), _fastest(measured, direct))
        sides["vs_direct.fp32"] = (_fastest(measured, exact), _fastest(measured, exact_direct))
    numbers = {}
    for name, (above, below) in sides.items():
        turns = np.divide(measured[above].runs_ms, measured[below].runs_ms)
        numbers[f"deploy.{name}"] = measured[above].median_ms / measured[below].median_ms
        numbers[f"deploy.{name}.spread"] = _spread(turns)
    return numbers


def _over_roofline(measured: dict[str, Latency], gflops: list[dict[str, float]], cost: models.Cost) -> dict[str, float]:
    numbers = {}
    for kind, names in (("", list(ENGINES)), (".fp32", [name for name in ENGINES if ENGINES[name].exact])):
        best = _fastest(measured, names)
        precision = "float32" if ENGINES[best].exact else "bfloat16"
        floors_ms = [machine.floor_ms(cost, turn[precision]) for turn in gflops]
        turns = np.divide(measured[best].runs_ms, floors_ms)
        numbers[f"deploy.roofline_ratio{kind}"] = float(np.median(turns))
        numbers[f"deploy.roofline_ratio{kind}.spread"] = _spread(turns)
    return numbers


def _fastest(measured: dict[str, Latency], names: list[str]) -> str:
    return min(names, key=lambda name: measured[name].median_ms)


def _spread(values) -> float:
    return float((np.max(values) - np.min(values)) / np.median(values))


def _fused_argmax_ms() -> float:
    logits = np.random.default_rng(0).normal(size=(1, 19, SIZE_HW[0] // 8, SIZE_HW[1] // 8)).astype(np.float32)
    workers = pixels.Workers(usable_cores())
    times = []
    for _ in range(30):
        started = time.perf_counter()
        pixels.labels_of(logits, SIZE_HW, False, workers)
        times.append(1000 * (time.perf_counter() - started))
    workers.close()
    return float(np.median(times))


def _memory_growth_mb(predict: Callable) -> float:
    frames = np.random.default_rng(1).integers(0, 256, (4, *FRAMES_HW, 3), dtype=np.uint8)
    process = psutil.Process()
    early = 0
    for number in range(FRAMES):
        predict(frames[number % len(frames)])
        if number == FRAMES // 10:
            early = process.memory_info().rss
    return (process.memory_info().rss - early) / 1e6
