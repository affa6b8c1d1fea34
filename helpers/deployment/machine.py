"""What this machine can do, and what a network asks of it: operators, memory, and the roofline."""

from __future__ import annotations

import ctypes
import gc
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn, profiler

from helpers.common.errors import CourseError
from helpers.common.runtime import usable_cores
from helpers.cpu.pixels import Workers
from helpers.datasets import normalise
from helpers.deployment.engines import create
from helpers.deployment.exports import Export, export
from helpers.models import Cost


def operator_times(net: nn.Layer, frame: np.ndarray) -> dict[str, float]:
    """Milliseconds that each kind of operator takes when `net` labels `frame`, uint8 (H, W, 3); the longest first.

    One eager forward pass with its argmax under `paddle.profiler`, after one that does not count.
    """
    net.eval()
    x = paddle.to_tensor(normalise(frame)[np.newaxis])
    with paddle.no_grad():
        paddle.argmax(net(x)[0], axis=1)
        with profiler.Profiler(targets=[profiler.ProfilerTarget.CPU], on_trace_ready=lambda _: None) as recorded:
            paddle.argmax(net(x)[0], axis=1)
    times: Counter[str] = Counter()
    waiting = list(recorded.profiler_result.get_data().values())
    while waiting:
        node = waiting.pop()
        waiting.extend(node.children_node)
        if node.type == paddle.base.core.TracerEventType.Operator:
            times[node.name.removesuffix(" dygraph")] += (node.end_ns - node.start_ns) / 1e6
    return dict(times.most_common())


def extra_megabytes(work: Callable[[], Any]) -> float:
    """How much memory `work` needs at its peak beyond what this process has, in 10^6 bytes. Linux only."""
    if platform.system() != "Linux":
        raise CourseError("The peak of memory is read from /proc, which only Linux has: leave this measurement out.")
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)  # what was freed and kept would otherwise serve the new work unseen
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, see proc(5)
    before = _status("VmRSS")
    kept = work()
    peak = _status("VmHWM")
    del kept
    return (peak - before) / 1e6


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024.0 * int(line.split()[1])
    raise CourseError(f"/proc/self/status has no {field}: leave this measurement out.")


@dataclass(frozen=True)
class Peaks:
    """Measured peaks: 10^9 floating-point operations a second in each precision, 10^9 bytes a second of memory."""

    gflops: dict[str, float]
    gigabytes_per_s: float

    def floor_ms(self, cost: Cost, precision: str = "float32") -> float:
        """The milliseconds that the convolutions of a network take at the peak."""
        return floor_ms(cost, self.gflops[precision])


def floor_ms(cost: Cost, gflops: float) -> float:
    """The milliseconds of a network's convolutions at 10^9 operations a second: two for each multiply-add."""
    return 2 * cost.gmacs / gflops * 1000


class _Dense(nn.Layer):
    """Nothing but what a processor does best: 1x1 convolutions of 512 channels."""

    layers, channels, size = 6, 512, 64

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2D(3, self.channels, 1)
        self.rest = nn.Sequential(*(nn.Conv2D(self.channels, self.channels, 1) for _ in range(self.layers)))

    def forward(self, x):
        return [self.rest(self.first(x)).mean([2, 3], keepdim=True)]


class Arithmetic:
    """Measures how many 10^9 operations a second OpenVINO's 1x1 convolutions do here, in both precisions."""

    def __init__(self, threads: int | None = None):
        self._x = np.random.default_rng(0).normal(size=(1, 3, _Dense.size, _Dense.size)).astype(np.float32)
        with tempfile.TemporaryDirectory(prefix="peaks-") as folder:
            exported = Export.read(export(_Dense(), Path(folder) / "dense", network="dense", graph="logits"))
            self._runners = {
                precision: create(engine, exported, threads or usable_cores())
                for precision, engine in (("float32", "paddle-openvino"), ("bfloat16", "paddle-openvino-bf16"))
            }

    def gflops(self, repeats: int) -> dict[str, float]:
        """The best of so many tries, by precision."""
        gigaflop = 2 * _Dense.layers * _Dense.channels**2 * _Dense.size**2 / 1e9
        return {
            precision: gigaflop / _fastest(lambda run=run: run(self._x), repeats)
            for precision, run in self._runners.items()
        }


def measure_peaks(threads: int | None = None, repeats: int = 5) -> Peaks:
    """The best of several tries: arithmetic in both precisions, and copying 256 MB."""
    gflops = Arithmetic(threads).gflops(repeats + 3)
    source = np.ones(1 << 25)
    target = np.empty_like(source)
    workers = Workers(threads or usable_cores())
    seconds = _fastest(lambda: workers.share(_copy, len(source), source, target), repeats)
    workers.close()
    return Peaks(gflops, 2 * source.nbytes / seconds / 1e9)


def intensity(cost: Cost, bytes_per_number: int = 4) -> float:
    """Floating-point operations per byte, if each map is written once, read once, and each weight is read once."""
    maps = sum(layer.out_channels * layer.out_hw[0] * layer.out_hw[1] for layer in cost.layers)
    return 2 * cost.macs / (bytes_per_number * (2 * maps + cost.params))


def _copy(source: np.ndarray, target: np.ndarray, start: int, stop: int) -> None:
    np.copyto(target[start:stop], source[start:stop])


def _fastest(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
