"""What the benchmarks share: the time of a call, and how far repeated measurements lie apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median


def seconds(work: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call of `work`."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spread(values: Sequence[float]) -> float:
    """Return (largest - smallest) / median."""
    return float((max(values) - min(values)) / median(values))


def paired_ratio(name: str, above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Return the median of the ratios of each round as `name`, and their spread as `name`.spread."""
    ratios = [one / other for one, other in zip(above, below, strict=True)]
    return {name: median(ratios), f"{name}.spread": spread(ratios)}
