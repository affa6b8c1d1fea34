"""Figures of notebook 04: what a removed filter takes with it, how filters rank, where the work goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

KEPT, GONE = "C0", "C3"


def chained_weights(first: np.ndarray, second: np.ndarray, kept: Sequence[int]) -> Figure:
    """Two convolutions in a row as tables of mean absolute weights; what goes with the filters not `kept` is crossed.

    `first` (C, A, k, k) and `second` (B, C, k, k) are weights; `kept` are channels of the C in between.
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
        axes[0].axhline(channel, color=GONE, linewidth=3)
        axes[1].axvline(channel, color=GONE, linewidth=3)
    figure.colorbar(picture, ax=axes, label="mean |weight|")
    return figure


def filter_norms(norms: Mapping[str, np.ndarray], kept: Mapping[str, Sequence[int]], ax: Axes | None = None) -> Axes:
    """One column of dots per layer: the norm of each filter over the layer's mean, coloured by whether it stays.

    `norms`: float (filters,) by layer; `kept`: the channels that stay, by layer.
    """
    ax = ax or plt.subplots(figsize=(9.5, 4.2), layout="constrained")[1]
    rng = np.random.default_rng(0)  # a little sideways, so that equal norms do not hide each other
    for column, (name, values) in enumerate(norms.items()):
        stays = np.isin(np.arange(len(values)), kept[name])
        x = column + rng.uniform(-0.32, 0.32, len(values))
        for chosen, color, label in ((stays, KEPT, "stays"), (~stays, GONE, "goes")):
            ax.scatter(
                x[chosen], values[chosen] / values.mean(), s=5, color=color, label=label if column == 0 else None
            )
    ax.set_xticks(range(len(norms)), list(norms), fontsize=8)
    ax.set(ylabel="L1 norm / layer's mean", ylim=(0, None))
    ax.grid(axis="y", alpha=0.3)
    ax.legend(markerscale=3, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return ax


def macs_per_layer(
    sections: Sequence[str], before: Sequence[int], after: Sequence[int], ax: Axes | None = None
) -> Axes:
    """Multiply-accumulates of each convolution, in order, before and after.

    `sections` names the part of the network of each convolution; neighbours of one name share a label.
    """
    ax = ax or plt.subplots(figsize=(9.5, 3.8), layout="constrained")[1]
    x = np.arange(len(before))
    ax.bar(x, np.asarray(before) / 1e6, color="0.8", label="before")
    ax.bar(x, np.asarray(after) / 1e6, color=KEPT, width=0.5, label="after")
    ticks, names, start = [], [], 0
    for name, members in groupby(sections):
        size = len(list(members))
        if start:
            ax.axvline(start - 0.5, color="0.7", linewidth=0.8)
        ticks.append(start + (size - 1) / 2)
        names.append(name)
        start += size
    ax.set_xticks(ticks, names, rotation=25, ha="right", rotation_mode="anchor", fontsize=8)
    ax.tick_params(axis="x", length=0)
    ax.set(ylabel="million MACs", xlim=(-0.7, len(before) - 0.3))
    ax.legend(frameon=False)
    return ax
