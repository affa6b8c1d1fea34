"""Figures of notebook 04: coupled channels, filter norms, work per layer, sensitivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plotting.base import new_axes

KEPT, REMOVED = "C0", "C3"
FAINTEST = 1e-4


def chained_weights(first: np.ndarray, second: np.ndarray, kept: Sequence[int]) -> Figure:
    """Draw two consecutive convolutions as tables of mean absolute weights and strike out what pruning removes.

    `first` (C, A, k, k) and `second` (B, C, k, k) are weights, `kept` the channels kept of the C in between.
    """
    tables = [np.abs(weight).mean(axis=(2, 3)) for weight in (first, second)]
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.2), layout="constrained", width_ratios=[1, 2])
    titles = ("first convolution: a row is a filter", "second convolution: a column reads that filter")
    top = max(table.max() for table in tables)
    for ax, table, title in zip(axes, tables, titles, strict=True):
        picture = ax.imshow(table, cmap="Blues", vmin=0, vmax=top, aspect="auto")
        ax.set(title=title, xlabel="input channel", ylabel="output channel")
        ax.title.set_fontsize(10)
        ax.set_xticks(range(table.shape[1]))
        ax.set_yticks(range(table.shape[0]))
    for channel in np.setdiff1d(np.arange(len(first)), kept):
        axes[0].axhline(channel, color=REMOVED, linewidth=3)
        axes[1].axvline(channel, color=REMOVED, linewidth=3)
    figure.colorbar(picture, ax=axes, label="mean |weight|")
    return figure


def filter_norms(norms: Mapping[str, np.ndarray], kept: Mapping[str, Sequence[int]], ax: Axes | None = None) -> Axes:
    """Draw the norm of each filter relative to its layer's mean, one column per layer, coloured by kept or removed.

    `norms` maps a layer to float (filters,), in network order, `kept` a layer to its kept channels. Consecutive layers
    of one part share a label. The scale is logarithmic, since weight decay can shrink a filter a thousandfold; norms
    below FAINTEST are drawn at FAINTEST.
    """
    ax = new_axes(ax, (9.5, 4.2))
    rng = np.random.default_rng(0)  # horizontal jitter separates equal norms
    for column, (name, values) in enumerate(norms.items()):
        is_kept = np.isin(np.arange(len(values)), kept[name])
        relative = np.maximum(_relative(values), FAINTEST)
        x = column + rng.uniform(-0.32, 0.32, len(values))
        for chosen, color, marker, label in ((is_kept, KEPT, "o", "kept"), (~is_kept, REMOVED, "x", "removed")):
            style = {"s": 6, "color": color, "marker": marker, "linewidth": 0.6}
            ax.scatter(x[chosen], relative[chosen], label=label if column == 0 else None, **style)
    _label_parts(ax, [part(name) for name in norms])
    ax.set_xlim(-0.7, len(norms) - 0.3)
    ax.set(ylabel="L1 norm / layer's mean", yscale="log")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(markerscale=3, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return ax


def macs_per_layer(
    sections: Sequence[str], before: Sequence[int], after: Sequence[int], ax: Axes | None = None
) -> Axes:
    """Draw the multiply-accumulates of each convolution before and after pruning, in network order.

    `sections` holds the part of the network that each convolution belongs to; consecutive equal names share a label.
    """
    ax = new_axes(ax, (9.5, 3.8))
    x = np.arange(len(before))
    ax.bar(x, np.asarray(before) / 1e6, color="0.8", label="before")
    ax.bar(x, np.asarray(after) / 1e6, color=KEPT, width=0.5, label="after")
    _label_parts(ax, sections)
    ax.set(ylabel="million MACs", xlim=(-0.7, len(before) - 0.3))
    ax.legend(frameon=False)
    return ax


def _label_parts(ax: Axes, parts: Sequence[str]) -> None:
    """Label columns 0, 1, ... with the part that each belongs to; a line separates consecutive parts."""
    ticks, names, start = [], [], 0
    for name, members in groupby(parts):
        size = len(list(members))
        if start:
            ax.axvline(start - 0.5, color="0.7", linewidth=0.8)
        ticks.append(start + (size - 1) / 2)
        names.append(name)
        start += size
    ax.set_xticks(ticks, names, rotation=25, ha="right", rotation_mode="anchor", fontsize=9)
    ax.tick_params(axis="x", length=0)


_PARTS = {
    "learning_to_downsample": "downsample",
    "ppm": "pyramid",
    "feature_fusion": "fusion",
    **{f"bottleneck{number}": f"bottleneck {number}" for number in (1, 2, 3)},
}


def part(layer: str) -> str:
    """Return the part of Fast-SCNN that a layer belongs to: "downsample", "bottleneck 1", "pyramid", ..."""
    name = layer.removeprefix("global_feature_extractor.").split(".")[0]
    return _PARTS.get(name, name)


def short_name(layer: str) -> str:
    """Shorten a layer's name to its distinctive parts: "bottleneck1.0.block.0", "classifier.dsconv1"."""
    dropped = {"_conv", "piontwise_conv", "global_feature_extractor", "learning_to_downsample", "conv_bn_relu2"}
    parts = [part for part in layer.split(".") if part not in dropped]
    return ".".join(parts) or layer


def channels_left(
    names: Sequence[str], before: Sequence[int], after: Sequence[int], ax: Axes | None = None, align: int = 1
) -> Axes:
    """Draw the channels of each group before and after pruning, in network order, with the number kept.

    Bars that are not a multiple of `align` are hatched.
    """
    ax = new_axes(ax, (10, 4.2))
    x = np.arange(len(names))
    ax.bar(x, before, color="0.86", label="removed")
    kept_channels(after, ax, align)
    ax.set_xticks(x, [short_name(name) for name in names], rotation=40, ha="right", rotation_mode="anchor", fontsize=9)
    ax.set(ylabel="channels", xlim=(-0.7, len(names) - 0.3))
    ax.legend(frameon=False, ncols=2, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))
    return ax


def kept_channels(counts: Sequence[int], ax: Axes, align: int = 1) -> list[Artist]:
    """Draw the bars and numbers of `channels_left` for the channels kept, and return them."""
    bars = ax.bar(np.arange(len(counts)), counts, color=KEPT, label="kept")
    numbers = []
    for bar, count in zip(bars, counts, strict=True):
        if align > 1 and count % align:
            bar.set_hatch("////")
            bar.set_edgecolor("white")
        x = bar.get_x() + bar.get_width() / 2
        numbers.append(ax.text(x, count, str(count), ha="center", va="bottom", fontsize=9))
    return [*bars, *numbers]


def sensitivity_curves(curves: Mapping[str, Mapping[float, float]], ax: Axes | None = None, named: int = 6) -> Axes:
    """Draw the relative loss of score against the share of removed filters; the `named` worst groups are labelled."""
    ax = new_axes(ax, (8.5, 4.2))
    worst = sorted(curves, key=lambda name: -max(curves[name].values()))[:named]
    for name, curve in curves.items():
        points = sorted({0.0: 0.0, **curve}.items())
        labelled = name in worst
        ax.plot(
            *zip(*points, strict=True),
            color=f"C{worst.index(name)}" if labelled else "0.75",
            linewidth=1.8 if labelled else 0.8,
            zorder=2 if labelled else 1,
            marker="o" if labelled else None,
            markersize=3,
            label=short_name(name) if labelled else None,
        )
    ax.axhline(0, color="0.4", linewidth=0.6)
    ax.set(xlabel="share of the group's filters removed", ylabel="relative loss of mIoU", xlim=(0, None))
    ax.legend(frameon=False, fontsize=9, title="most sensitive", title_fontsize=9, loc="upper left")
    ax.grid(alpha=0.3)
    return ax


def scores_by_cut(
    lines: Mapping[str, Sequence[tuple[float, Sequence[float]]]],
    ylabel: str,
    level: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean score of each cut, one line per name, and each single score as a dot.

    `lines` maps a name to (cut, scores); `level` marks the score of the unpruned network.
    """
    ax = new_axes(ax, (7, 3.8))
    if level is not None:
        ax.axhline(level, color="0.4", linewidth=0.8, linestyle="--", label="unpruned, the same treatment")
    for number, (name, points) in enumerate(lines.items()):
        cuts = [cut for cut, _ in points]
        ax.plot(cuts, [np.mean(scores) for _, scores in points], marker="o", color=f"C{number}", label=name)
        for cut, scores in points:
            if len(scores) > 1:
                ax.scatter([cut] * len(scores), scores, s=60, color=f"C{number}", marker="_")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set(xlabel="multiply-accumulates removed", ylabel=ylabel, ylim=(0, None))
    ax.legend(frameon=False, fontsize=9)
    ax.grid(alpha=0.3)
    return ax


def score_bars(scores: Mapping[str, Sequence[float]], level: float, ylabel: str, ax: Axes | None = None) -> Axes:
    """Draw the mean score of each name as a horizontal bar, its single scores as dots, and a line at `level`."""
    ax = new_axes(ax, (8.5, 0.5 + 0.42 * len(scores)))
    for row, values in enumerate(scores.values()):
        mean = float(np.mean(values))
        ax.barh(row, mean, color=KEPT, height=0.6, alpha=0.75)
        if len(values) > 1:
            ax.scatter(values, [row] * len(values), s=12, color="0.2", zorder=3)
        ax.text(max(mean, *values) + 0.008, row, f"{mean:.3f}", va="center", fontsize=9)
    ax.axvline(level, color="0.4", linewidth=0.8, linestyle="--")
    ax.set_yticks(range(len(scores)), list(scores), fontsize=9)
    ax.invert_yaxis()
    ax.set(xlabel=ylabel, xlim=(0, max(level, *(max(values) for values in scores.values())) * 1.12))
    return ax


def _relative(norms: np.ndarray) -> np.ndarray:
    """Return norms divided by their mean; a layer of zeros stays zero."""
    return norms / norms.mean() if norms.any() else np.zeros_like(norms)


def ranked_norms(norms: Mapping[str, np.ndarray], kept: Mapping[str, Sequence[int]]) -> Figure:
    """Draw the norms of single layers, relative to the layer's mean, from the weakest filter to the strongest.

    `norms` maps a layer to float (filters,), `kept` a layer to its kept channels.
    """
    figure, axes = plt.subplots(1, len(norms), figsize=(5 * len(norms), 3.2), layout="constrained", squeeze=False)
    for ax, (name, values) in zip(axes[0], norms.items(), strict=True):
        order = np.argsort(values)
        is_kept = np.isin(order, kept[name])
        relative = _relative(values)[order]
        for chosen, color, label in ((~is_kept, REMOVED, "removed"), (is_kept, KEPT, "kept")):
            ax.bar(np.flatnonzero(chosen), relative[chosen], width=1.0, color=color, label=label)
        # many removed filters have a norm near zero: shade them, or they cannot be seen
        ax.bar(np.flatnonzero(~is_kept), relative.max(), width=1.0, color=REMOVED, alpha=0.12)
        ax.set(title=short_name(name), xlabel="filters, weakest first", ylabel="L1 norm / layer's mean")
        ax.title.set_fontsize(10)
        ax.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def paths(values: Mapping[str, np.ndarray], ylabel: str, ax: Axes | None = None) -> Axes:
    """Draw a value against the training step, float (steps,), one line per name."""
    ax = new_axes(ax, (8.5, 3.4))
    for number, (name, path) in enumerate(values.items()):  # later lines are thinner: earlier ones remain visible
        ax.plot(path, label=name, linewidth=4.5 - number)
    ax.set(xlabel="training step", ylabel=ylabel, ylim=(0, None))
    ax.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    ax.grid(alpha=0.3)
    return ax


def time_bars(times: pd.DataFrame, work: Mapping[str, float], ax: Axes | None = None) -> Axes:
    """Draw times relative to the unpruned network: a bar per network and engine, quartiles as a line.

    `times` is a `pruning.time_table`; `work` maps the networks to draw to their share of the multiply-accumulates,
    drawn as a black mark.
    """
    engines = list(dict.fromkeys(times.columns.get_level_values(0)))
    ax = new_axes(ax, (8.5, 0.8 + 0.5 * len(work)))
    height = 0.8 / len(engines)
    for number, engine in enumerate(engines):
        y = np.arange(len(work)) + (number - (len(engines) - 1) / 2) * height
        rows = times.loc[list(work), engine]
        ax.barh(y, rows["ratio"], height=height * 0.9, color=f"C{number}", alpha=0.75, label=engine)
        ax.hlines(y, rows["quartile 1"], rows["quartile 3"], color="0.2", linewidth=1.2)
    ax.scatter(list(work.values()), range(len(work)), marker="|", s=500, color="black", label="multiply-accumulates")
    ax.axvline(1, color="0.4", linewidth=0.8, linestyle="--")
    ax.set_yticks(range(len(work)), list(work), fontsize=9)
    ax.invert_yaxis()
    ax.set(xlabel="relative to the unpruned network", xlim=(0, None))
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1), markerscale=0.4)
    return ax


def counts_apart(counts: Mapping[str, Sequence[tuple[str, int]]], ax: Axes | None = None) -> Axes:
    """Draw each count as a stack of its (reason, amount) parts; what the count leaves out is left of zero."""
    ax = new_axes(ax, (9.5, 3.4))
    reasons = list(dict.fromkeys(reason for parts in counts.values() for reason, _ in parts))
    colours = plt.get_cmap("tab20")
    for row, parts in enumerate(counts.values()):
        ends = {True: 0.0, False: 0.0}
        for reason, amount in parts:
            giga = amount / 1e9
            ax.barh(row, giga, left=ends[giga > 0], color=colours(reasons.index(reason)), height=0.65)
            ends[giga > 0] += giga
        total = sum(amount for _, amount in parts) / 1e9
        ax.text(ends[True] + 0.05, row, f"{total:.3f}", va="center", fontsize=9)
    ax.set_yticks(range(len(counts)), list(counts), fontsize=9)
    ax.invert_yaxis()
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set(xlabel="operations counted, in 10^9", xlim=(None, 9.2))
    handles = [plt.Rectangle((0, 0), 1, 1, color=colours(i)) for i in range(len(reasons))]
    ax.legend(handles, reasons, frameon=False, fontsize=9, ncols=2, loc="upper left", bbox_to_anchor=(-0.3, -0.27))
    return ax
