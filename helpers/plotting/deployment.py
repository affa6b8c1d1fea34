"""Figures of notebook 05: time per operator, gain of each setting, and the machine's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from helpers.common.errors import CourseError
from helpers.plotting.base import new_axes


def waterfall(steps: Sequence[tuple[str, float, float]], ax: Axes | None = None) -> Axes:
    """Draw the latency after each step, one row per step, and its difference from the step before.

    Each of `steps` is (name, milliseconds, agreement from 0 to 1). The dark bar is the latency, the light one the time
    saved; added time is red. Raises CourseError if there is no step.
    """
    if not steps:
        raise CourseError("Expected at least one step (name, milliseconds, agreement), got none.")
    ax = new_axes(ax, (9.5, 0.55 * len(steps) + 1.1))
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
    """Draw the time of the `keep` slowest operators, with their share, and the sum of all others."""
    if not times_ms:
        raise CourseError("Expected at least one operator, got none: profile a forward pass first.")
    ax = new_axes(ax, (8.5, 3.6))
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
    """Draw programs under the limits of the machine (roofline; Williams, Waterman and Patterson 2009).

    `peaks_gflops` maps a precision to its peak in 10^9 operations per second, `points` a program's name to
    (operations per byte, 10^9 operations per second).
    """
    ax = new_axes(ax, (9.0, 5.0))
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
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a roof may cross the text
        ax.annotate(f"{name}, {y:.0f}", (x, y), xytext=(7, -3), textcoords="offset points", fontsize=9, bbox=behind)
    ax.set(
        xscale="log", yscale="log", xlabel="operations per byte of memory traffic", ylabel="10⁹ operations per second"
    )
    ax.set_ylim(top=2 * max(peaks_gflops.values()))  # room for the name of the highest roof
    ax.grid(which="both", alpha=0.2)
    return ax
