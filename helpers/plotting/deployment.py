"""Figures of notebook 05: how long each way to run a network takes."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def latencies(runs_ms: Mapping[str, tuple[float, float, float]], ax: Axes | None = None) -> Axes:
    """Horizontal bars of (median, first quartile, third quartile) in milliseconds; the first one is the reference.

    Each bar says its median and how many times faster than the reference it is; the whisker spans the quartiles.
    """
    ax = ax or plt.subplots(figsize=(8.5, 0.5 * len(runs_ms) + 1.0), layout="constrained")[1]
    medians, lows, highs = np.array(list(runs_ms.values())).T
    rows = np.arange(len(runs_ms))
    ax.barh(rows, medians, xerr=[medians - lows, highs - medians], color="C0", ecolor="0.3", capsize=3, height=0.65)
    for row, median, high in zip(rows, medians, highs, strict=True):
        times = "" if row == 0 else f", {medians[0] / median:.1f} x"
        ax.annotate(f"{median:.0f} ms{times}", (high, row), xytext=(6, 0), textcoords="offset points", va="center")
    ax.set_yticks(rows, list(runs_ms))
    ax.set(xlabel="milliseconds per frame", xlim=(0, 1.25 * highs.max()))
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    return ax
