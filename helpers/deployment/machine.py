"""Profile a network on this machine: time per operator, peak memory, and the roofline."""

from __future__ import annotations

import ctypes
import gc
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
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
from helpers.deployment.measuring import Latency, measure
from helpers.models import Cost


def operator_times(net: nn.Layer, frame: np.ndarray) -> dict[str, float]:
    """Return the milliseconds that each kind of operator takes when `net` labels `frame`, longest first.

    `frame` is uint8 (H, W, 3). Profiles one eager forward pass with its argmax, after one pass of warm-up.
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


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers; without that, OpenVINO computes in float32. Linux on x86."""
    info = Path("/proc/cpuinfo")
    return info.exists() and bool({"avx512_bf16", "amx_bf16"} & set(info.read_text().split()))


def extra_megabytes(work: Callable[[], Any]) -> float:
    """Return how much `work()` adds to the memory of this process at its peak, in 10^6 bytes.

    Raises CourseError on systems other than Linux.
    """
    if platform.system() != "Linux":
        raise CourseError("Peak memory is read from /proc, which only Linux has: leave this measurement out.")
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)  # otherwise `work` would reuse freed memory, and the peak would miss it
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak, see proc(5)
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
class Work:
    """The convolutions of a call: their cost, and the precision they run in, "float32" or "bfloat16"."""

    cost: Cost
    precision: str = "float32"

    def gflops(self, run_ms: float) -> float:
        """Return the rate of a run of `run_ms` milliseconds, in 10^9 operations per second."""
        return 2 * self.cost.gmacs / run_ms * 1000


@dataclass(frozen=True)
class Peaks:
    """Best rates that this machine reached.

    `rounds`: the rate of arithmetic in each round, in 10^9 operations per second, by precision;
    `gigabytes_per_s`: memory bandwidth, in 10^9 bytes per second.
    """

    rounds: Mapping[str, tuple[float, ...]]
    gigabytes_per_s: float

    @property
    def gflops(self) -> dict[str, float]:
        """Best rate over all rounds, in 10^9 operations per second, by precision."""
        return {precision: max(rates) for precision, rates in self.rounds.items()}

    def ridge(self, precision: str = "float32") -> float:
        """Return the operations per byte from which arithmetic is the limit, not memory."""
        return self.gflops[precision] / self.gigabytes_per_s

    def floor_ms(self, cost: Cost, precision: str = "float32") -> float:
        """Return the milliseconds that the convolutions of a network take at the best rate of all rounds."""
        return min(self.floors_ms(cost, precision))

    def floors_ms(self, cost: Cost, precision: str = "float32") -> tuple[float, ...]:
        """Return the milliseconds that the convolutions of a network take at the rate of each round."""
        return tuple(floor_ms(cost, rate) for rate in self.rounds[precision])

    def raised(self, work: Work, runs_ms: Iterable[float]) -> Peaks:
        """Return peaks that are at least as high as the rate of every run of `runs_ms`, in each round.

        A floor must not lie above a time that was measured. Times from `measure_with_peaks` are included already; pass
        here what was measured before or after it.
        """
        reached = work.gflops(min(runs_ms))
        rates = tuple(max(rate, reached) for rate in self.rounds[work.precision])
        return replace(self, rounds={**self.rounds, work.precision: rates})


def floor_ms(cost: Cost, gflops: float) -> float:
    """Return the milliseconds of a network's convolutions at `gflops` 10^9 operations per second.

    A multiply-accumulate counts as two operations.
    """
    return 2 * cost.gmacs / gflops * 1000


def measure_with_peaks(
    calls: Mapping[str, Callable[[np.ndarray], Any]],
    frame: np.ndarray,
    work: Mapping[str, Work],
    *,
    warmup: int,
    repeats: int,
    threads: int | None = None,
    tries: int = 8,
    show: bool = True,
) -> tuple[dict[str, Latency], Peaks]:
    """Time `call(frame)` for each of `calls`, and measure the peaks of the machine in the same interleaved rounds.

    The rate of a synthetic network alone can be too low: another program may slow it down, or an engine may beat it.
    The peak of a round is therefore max(rate of the synthetic network, best rate that any call with `work` reached in
    that round), so no floor lies above a measured time.

    Parameters
    ----------
    calls : mapping of str to callable
        Functions to time, by name.
    frame : ndarray
        Argument of each call, uint8 (H, W, 3).
    work : mapping of str to Work
        What the calls compute, by name. Calls without an entry do not raise the peaks.
    warmup : int
        Rounds at the start that are not counted.
    repeats : int
        Rounds that are counted, at least 1.
    threads : int, optional
        Threads of the synthetic network, by default one per core.
    tries : int, default 8
        Runs of the synthetic network in each round, of which the fastest counts.
    show : bool, default True
        Draw a progress bar.

    Returns
    -------
    tuple of dict of str to Latency, and Peaks
        The counted runs of each call, one per round; the peaks of these rounds.

    Raises
    ------
    CourseError
        If `work` names a call that does not exist, or `repeats` is below 1.
    """
    unknown = sorted(map(str, work.keys() - calls.keys()))
    if unknown:
        raise CourseError(f"Expected work for names in `calls`, got {unknown[0]}: choose from {[*map(str, calls)]}.")
    rates: list[dict[str, float]] = []
    copies: list[float] = []
    arithmetic, key = Arithmetic(threads), object()  # the key equals no name in `calls`
    with _Copying(threads) as copying:

        def peaks(_: np.ndarray) -> None:
            rates.append(arithmetic.gflops(tries))
            copies.append(copying.gigabytes_per_s())

        measured = measure({**calls, key: peaks}, frame, warmup=warmup, repeats=repeats, show=show)
    del measured[key]
    for number, best in enumerate(rates[warmup:]):
        for name, each in work.items():
            best[each.precision] = max(best[each.precision], each.gflops(measured[name].runs_ms[number]))
    rounds = {precision: tuple(best[precision] for best in rates[warmup:]) for precision in rates[0]}
    return measured, Peaks(rounds, max(copies[warmup:]))


def intensity(cost: Cost, bytes_per_number: int = 4) -> float:
    """Return operations per byte if each map is written once and read once, and each weight is read once."""
    maps = sum(layer.out_channels * layer.out_hw[0] * layer.out_hw[1] for layer in cost.layers)
    return 2 * cost.macs / (bytes_per_number * (2 * maps + cost.params))


class _Dense(nn.Layer):
    """A network close to the peak of a processor: nothing but 1x1 convolutions of 512 channels."""

    layers, channels, size = 6, 512, 64

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2D(3, self.channels, 1)
        self.rest = nn.Sequential(*(nn.Conv2D(self.channels, self.channels, 1) for _ in range(self.layers)))

    def forward(self, x):
        return [self.rest(self.first(x)).mean([2, 3], keepdim=True)]


class Arithmetic:
    """Measures the rate of 1x1 convolutions in OpenVINO, in both precisions; `threads` is one per core by default."""

    def __init__(self, threads: int | None = None):
        self._x = np.random.default_rng(0).normal(size=(1, 3, _Dense.size, _Dense.size)).astype(np.float32)
        with tempfile.TemporaryDirectory(prefix="peaks-") as folder:
            exported = Export.read(export(_Dense(), Path(folder) / "dense", network="dense", graph="logits"))
            self._runners = {
                precision: create(engine, exported, threads or usable_cores())
                for precision, engine in (("float32", "paddle-openvino"), ("bfloat16", "paddle-openvino-bf16"))
            }

    def gflops(self, tries: int) -> dict[str, float]:
        """Return the best rate of `tries` runs, in 10^9 operations per second, by precision."""
        gigaflop = 2 * _Dense.layers * _Dense.channels**2 * _Dense.size**2 / 1e9
        return {
            precision: gigaflop / _fastest(lambda run=run: run(self._x), tries)
            for precision, run in self._runners.items()
        }


class _Copying:
    """Measures the rate of copying 256 MB."""

    def __init__(self, threads: int | None):
        self._source = np.ones(1 << 25)  # float64
        self._target = np.empty_like(self._source)
        self._workers = Workers(threads or usable_cores())

    def __enter__(self) -> _Copying:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._workers.close()

    def gigabytes_per_s(self) -> float:
        """Return the best rate of three copies, in 10^9 bytes per second; bytes are counted as read and as written."""
        share, work = self._workers.share, (len(self._source), self._source, self._target)
        return 2 * self._source.nbytes / _fastest(lambda: share(_copy, *work), 3) / 1e9


def _copy(source: np.ndarray, target: np.ndarray, start: int, stop: int) -> None:
    np.copyto(target[start:stop], source[start:stop])


def _fastest(work: Callable[[], Any], tries: int) -> float:
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
