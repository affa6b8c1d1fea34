"""Agreement of two predictions, and latency in interleaved rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.devices import synchronize


def agreement(labels: np.ndarray, reference: np.ndarray) -> float:
    """Return the fraction of pixels with equal train ids, 0 to 1; both are integer arrays of the same shape.

    Raises CourseError if the shapes differ.
    """
    if labels.shape != reference.shape:
        raise CourseError(f"Labels {labels.shape} and reference {reference.shape} must have the same shape.")
    return float(np.mean(labels == reference))


@dataclass(frozen=True)
class Latency:
    """Times of single runs in milliseconds."""

    runs_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Median of the runs."""
        return float(np.median(self.runs_ms))


def measure(
    calls: Mapping[str, Callable[[np.ndarray], Any]],
    frame: np.ndarray,
    *,
    warmup: int,
    repeats: int,
    show: bool = True,
    pause_s: float = 0.02,
) -> dict[str, Latency]:
    """Time `call(frame)` for each of `calls`, in interleaved rounds.

    Each round runs every call once, so a busy phase of the machine affects all of them equally. A run ends when
    Paddle's device has finished.

    Parameters
    ----------
    calls : mapping of str to callable
        Functions to time, by name.
    frame : ndarray
        Argument of each call, uint8 (H, W, 3).
    warmup : int
        Rounds at the start that are not counted.
    repeats : int
        Rounds that are counted, at least 1.
    show : bool, default True
        Draw a progress bar.
    pause_s : float, default 0.02
        Pause before each run if there are several calls, in seconds. OpenMP threads spin for 1 ms after their work
        (KMP_BLOCKTIME, set in helpers.common.runtime) and have to leave the cores first. During a long pause the
        processor falls asleep: 0.25 s made the fastest engine a tenth slower.

    Returns
    -------
    dict of str to Latency
        The counted runs of each call, one per round.

    Raises
    ------
    CourseError
        If `repeats` is below 1.
    """
    if repeats < 1:
        raise CourseError(f"Expected at least one counted round, got repeats={repeats}.")
    runs: dict[str, list[float]] = {name: [] for name in calls}
    for number in progress(range(warmup + repeats), desc="measuring", unit="round", disable=not show):
        for name, call in calls.items():
            time.sleep(pause_s if len(calls) > 1 else 0)
            synchronize()
            started = time.perf_counter()
            call(frame)
            synchronize()
            if number >= warmup:
                runs[name].append(1000 * (time.perf_counter() - started))
    return {name: Latency(tuple(times)) for name, times in runs.items()}
