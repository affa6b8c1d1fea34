"""Figures of notebook 05: times of operators, settings and engines, the machine's limits, int8 and flicker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from helpers.common.errors import CourseError
from helpers.plotting.base import class_ticks, new_axes


def waterfall(steps: Sequence[tuple[str, float, float]], ax: Axes | None = None) -> Axes:
    """Draw the latency after each step, one row per step, and its difference from the step before.

    Each of `steps` is (name, milliseconds, agreement from 0 to 1). The dark bar is the latency, the light one the time
    saved; added time is red and hatched. Raises CourseError if there is no step.
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
            ax.barh(row, now - before, left=before, color="C3", alpha=0.6, height=0.62, hatch="///")
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


def iou_changes(iou: Mapping[str, Sequence[float]], classes: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw the IoU of each class in each precision relative to the first one of `iou`, in percentage points.

    `iou` maps the name of a precision to an IoU per class, 0 to 1. Classes without a value are left out, and so are
    precisions that change no class, which would have no bar.
    """
    (base, reference), *others = ((name, np.asarray(values)) for name, values in iou.items())
    known = np.flatnonzero(np.isfinite(reference))
    others = [(name, values) for name, values in others if np.any(values[known] != reference[known])]
    ax = new_axes(ax, (9.5, max(2.6, 0.26 * len(known) + 1.2)))
    height = 0.8 / max(1, len(others))
    for number, (name, values) in enumerate(others):
        rows = np.arange(len(known)) + (number - (len(others) - 1) / 2) * height
        change = 100 * (values - reference)[known]
        ax.barh(rows, change, height, label=name, color=f"C{number}", hatch=("", "///", "...")[number % 3], alpha=0.8)
    class_ticks(ax.yaxis, [f"{classes[i]} ({reference[i]:.2f})" for i in known], 9)
    ax.axvline(0, color="0.3", linewidth=1)
    ax.set(xlabel=f"IoU minus the IoU in {base} (in brackets), percentage points")
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    if others:
        ax.legend(fontsize=9)
    return ax


def changed_by_part(everything: float, without: Mapping[str, float], ax: Axes | None = None) -> Axes:
    """Draw the share of labels, 0 to 1, that int8 changes if one part of the network stays in float32.

    `everything`: the share if the whole network is in int8, drawn as a line.
    """
    ax = new_axes(ax, (9.0, 0.45 * len(without) + 1.3))
    bars = ax.barh(list(without), [100 * share for share in without.values()], color="C0", height=0.6)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # the line may cross the text
    ax.bar_label(bars, [f"{share:.2%}" for share in without.values()], padding=4, fontsize=9, bbox=behind)
    ax.axvline(100 * everything, color="0.2", linestyle="--", label=f"everything in int8: {everything:.2%}")
    ax.set(xlabel="% of the labels that change", xlim=(0, 115 * max(everything, *without.values()) or 1))
    ax.set_ylabel("this part stays in float32", fontsize=9)
    ax.invert_yaxis()
    ax.figure.legend(loc="outside upper right", fontsize=9, frameon=False)
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    return ax


def networks_and_engines(table, ax: Axes | None = None) -> Axes:
    """Draw a row per network and a mark per engine: milliseconds, from a table of `compare_engines`."""
    networks = list(dict.fromkeys(table.index.get_level_values("network")))
    engines = list(dict.fromkeys(table.index.get_level_values("engine")))
    ax = new_axes(ax, (9.5, 0.6 * len(networks) + 1.9))
    for number, engine in enumerate(engines):
        ms = table.xs(engine, level="engine")["ms"].reindex(networks)
        style = {
            "marker": "osD^vPX*"[number % 8],
            "color": f"C{number}",
            "linestyle": "",
            "markersize": 9,
            "alpha": 0.85,
        }
        ax.plot(ms, range(len(networks)), label=engine, **style)
    ax.set_yticks(range(len(networks)), networks)
    ax.set(xscale="log", xlabel="milliseconds per frame", ylim=(len(networks) - 0.5, -0.5))
    _plain_ticks(ax.xaxis)
    ax.grid(which="both", axis="x", alpha=0.25)
    ax.figure.legend(loc="outside upper center", ncols=min(3, len(engines)), fontsize=9, frameon=False)
    return ax


def _plain_ticks(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis in full: 1, 2, 5, 10."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def flicker(shares: Mapping[str, Sequence[float]], ax: Axes | None = None) -> Axes:
    """Draw the share of flickering pixels, 0 to 1, of each frame after the first, a line per kind of labels."""
    ax = new_axes(ax, (9.0, 3.0))
    for number, (name, values) in enumerate(shares.items()):
        style = {"marker": "os^"[number % 3], "linestyle": ("-", "--", ":")[number % 3], "markersize": 4}
        ax.plot(range(2, len(values) + 2), [100 * value for value in values], label=name, **style)
    ax.set(xlabel="frame of the drive", ylabel="% of the pixels", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=9, loc="center right")
    ax.grid(alpha=0.3)
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
    ridge = min(peaks_gflops.values()) / gigabytes_per_s
    low = min(min(x for x, _ in points.values()) / 8, ridge / 4)  # the slope is visible left of the ridge
    high = max(max(peaks_gflops.values()) / gigabytes_per_s, max(x for x, _ in points.values())) * 4
    bytes_axis = np.geomspace(low, high, 200)
    for i, (name, peak) in enumerate(peaks_gflops.items()):
        ax.plot(bytes_axis, np.minimum(peak, gigabytes_per_s * bytes_axis), color=f"C{i}", linewidth=2)
        under = peak == min(peaks_gflops.values()) and len(peaks_gflops) > 1  # the names of close limits would overlap
        offset = {"xytext": (-4, -13 if under else 4), "textcoords": "offset points", "ha": "right"}
        ax.annotate(f"{name}: {peak:.0f} GFLOP/s", (high, peak), **offset)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a roof or the ridge may cross the text
    start = 1.1 * low, 1.1 * low * gigabytes_per_s
    offset = {"xytext": (8, -12), "textcoords": "offset points"}
    ax.annotate(f"memory: {gigabytes_per_s:.0f} GB/s", start, bbox=behind, **offset)
    for name, (x, y) in points.items():
        ax.plot(x, y, "o", color="0.2")
        hidden = any(other > x and 0.85 < rate / y < 1.18 for other, rate in points.values())
        offset = {
            "xytext": (-7 if hidden else 7, -3),
            "textcoords": "offset points",
            "ha": "right" if hidden else "left",
        }
        ax.annotate(f"{name}, {y:.0f} GFLOP/s", (x, y), fontsize=9, bbox=behind, **offset)
    ax.set(xscale="log", yscale="log", xlabel="operations per byte of memory traffic")
    ax.set_ylabel("10⁹ operations per second (GFLOP/s)")
    for axis in (ax.xaxis, ax.yaxis):
        _plain_ticks(axis)
    ax.axvline(ridge, color="0.4", linestyle=":", linewidth=1.2)
    ax.annotate(
        f"ridge of {min(peaks_gflops, key=peaks_gflops.get)}: {ridge:.0f} operations per byte",
        (ridge, 1),
        xycoords=("data", "axes fraction"),
        xytext=(5, -5),
        textcoords="offset points",
        va="top",
        fontsize=9,
    )
    ax.set_ylim(top=2 * max(peaks_gflops.values()))  # room for the name of the highest roof
    ax.grid(which="both", alpha=0.2)
    return ax
