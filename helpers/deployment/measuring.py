"""Compare ways to predict: do they agree, and how long do they take?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.progress import progress


def agreement(labels: np.ndarray, reference: np.ndarray) -> float:
    """Share of pixels with equal train ids, 0 to 1; both integer arrays of one shape."""
    if labels.shape != reference.shape:
        raise CourseError(f"Labels {labels.shape} and reference {reference.shape} must have the same shape.")
    return float(np.mean(labels == reference))


@dataclass(frozen=True)
class Latency:
    """Times of single runs in milliseconds."""

    runs_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The middle run."""
        return float(np.median(self.runs_ms))

    @property
    def spread_ms(self) -> tuple[float, float]:
        """First and third quartile: half of the runs lie between."""
        low, high = np.quantile(self.runs_ms, [0.25, 0.75])
        return float(low), float(high)


def measure(
    calls: Mapping[str, Callable[[np.ndarray], Any]],
    frame: np.ndarray,
    *,
    warmup: int,
    repeats: int,
    show: bool = True,
    pause_s: float = 0.02,
) -> dict[str, Latency]:
    """Time `call(frame)` for each of `calls`, in turns: a busy moment of the machine then meets all of them alike.

    The first `warmup` turns are not counted; `repeats` turns are. Before one that follows another comes a pause of
    `pause_s` seconds, for OpenMP's threads to leave the cores: they spin for 1 ms after their work, as
    helpers.common.runtime sets it (KMP_BLOCKTIME). After a long pause the processor first has to wake up: 0.25 s made
    the fastest engine a tenth slower. `show` draws a bar.
    """
    if repeats < 1:
        raise CourseError(f"Measuring needs at least one run, not {repeats}.")
    runs: dict[str, list[float]] = {name: [] for name in calls}
    for turn in progress(range(warmup + repeats), desc="measuring", unit="turn", disable=not show):
        for name, call in calls.items():
            time.sleep(pause_s if len(calls) > 1 else 0)
            started = time.perf_counter()
            call(frame)
            if turn >= warmup:
                runs[name].append(1000 * (time.perf_counter() - started))
    return {name: Latency(tuple(times)) for name, times in runs.items()}
