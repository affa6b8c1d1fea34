"""Figures of notebook 05: where the time goes, what each setting brings, and how far it is to the machine's limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from helpers.common.errors import CourseError


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


def waterfall(steps: Sequence[tuple[str, float, float]], ax: Axes | None = None) -> Axes:
    """What each of `steps` (name, milliseconds, agreement from 0 to 1) takes off the one before it; one row each.

    The dark bar is what is left, the light one what the step has taken off, or in red what it has added.
    """
    if not steps:
        raise CourseError("There is no step to draw: give at least one (name, milliseconds, agreement).")
    ax = ax or plt.subplots(figsize=(9.5, 0.55 * len(steps) + 1.1), layout="constrained")[1]
    names, times, agreements = zip(*steps, strict=True)
    limit = max(times)
    for row, (now, same) in enumerate(zip(times, agreements, strict=True)):
        before = times[row - 1] if row else now
        ax.barh(row, min(now, before), color="C0", height=0.62)
        if now < before:
            ax.barh(row, before - now, left=now, color="C0", alpha=0.22, height=0.62)
        elif now > before:
            ax.barh(row, now - before, left=before, color="C3", alpha=0.6, height=0.62)
        text = f"{now:.0f} ms" + (f", {times[0] / now:.1f} x" if row else "") + f"   agreement {same:.4%}"
        ax.annotate(text, (max(now, before), row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="milliseconds per frame", xlim=(0, 1.65 * limit))
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    return ax


def operators(times_ms: Mapping[str, float], ax: Axes | None = None, keep: int = 8) -> Axes:
    """Bars of the `keep` operators that take longest, in milliseconds with their share, and of all others together."""
    if not times_ms:
        raise CourseError("There is no operator to draw: profile a forward pass first.")
    ax = ax or plt.subplots(figsize=(8.5, 3.6), layout="constrained")[1]
    ranked = sorted(times_ms.items(), key=lambda item: -item[1])
    shown = ranked[:keep] + ([("all others", sum(ms for _, ms in ranked[keep:]))] if len(ranked) > keep else [])
    total = sum(times_ms.values())
    bars = ax.barh([name for name, _ in shown], [ms for _, ms in shown], color="C0", height=0.65)
    ax.bar_label(bars, [f"{ms:.0f} ms, {ms / total:.0%}" for _, ms in shown], padding=4, fontsize=9)
    ax.set(xlabel="milliseconds", xlim=(0, 1.25 * shown[0][1] if shown[0][1] else 1))
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    return ax


def roofline(
    peaks_gflops: Mapping[str, float],
    gigabytes_per_s: float,
    points: Mapping[str, tuple[float, float]],
    ax: Axes | None = None,
) -> Axes:
    """The machine's limits, and where programs are under them (Williams, Waterman and Patterson 2009).

    `peaks_gflops`: a roof for each precision; `points`: name to (operations per byte, 10^9 operations a second).
    """
    ax = ax or plt.subplots(figsize=(9.0, 5.0), layout="constrained")[1]
    low = min(x for x, _ in points.values()) / 8
    high = max(max(peaks_gflops.values()) / gigabytes_per_s, max(x for x, _ in points.values())) * 4
    bytes_axis = np.geomspace(low, high, 200)
    for i, (name, peak) in enumerate(peaks_gflops.items()):
        ax.plot(bytes_axis, np.minimum(peak, gigabytes_per_s * bytes_axis), color=f"C{i}", linewidth=2)
        ax.annotate(f"{name}: {peak:.0f} GFLOP/s", (high, peak), xytext=(-4, 4), textcoords="offset points", ha="right")
    knee = gigabytes_per_s * low * 2
    ax.annotate(f"memory: {gigabytes_per_s:.0f} GB/s", (low * 2, knee), xytext=(8, -12), textcoords="offset points")
    for name, (x, y) in points.items():
        ax.plot(x, y, "o", color="0.2")
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a roof may pass just there
        ax.annotate(f"{name}, {y:.0f}", (x, y), xytext=(7, -3), textcoords="offset points", fontsize=9, bbox=behind)
    ax.set(xscale="log", yscale="log", xlabel="operations per byte of memory traffic", ylabel="10⁹ operations a second")
    ax.set_ylim(top=2 * max(peaks_gflops.values()))  # room for the name of the highest roof
    ax.grid(which="both", alpha=0.2)
    return ax
