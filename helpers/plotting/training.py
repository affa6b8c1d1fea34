"""Figures of notebook 02: batches, schedules, loss curves, where a network spends its multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def learning_rate(lr: Sequence[float], ax: Axes | None = None, label: str | None = None) -> Axes:
    """Learning rate over iterations."""
    ax = ax or plt.subplots(figsize=(6, 2.6), layout="constrained")[1]
    ax.plot(np.arange(1, len(lr) + 1), lr, label=label)
    ax.set(xlabel="iteration", ylabel="learning rate", ylim=(0, None))
    ax.grid(alpha=0.3)
    return ax


def loss_curves(losses: Mapping[str, Sequence[float]], ax: Axes | None = None, window: int = 20) -> Axes:
    """One curve per name: each iteration's loss faintly, the running mean over `window` iterations on top."""
    ax = ax or plt.subplots(figsize=(7, 3.6), layout="constrained")[1]
    for number, (name, loss) in enumerate(losses.items()):
        loss, color = np.asarray(loss, dtype=float), f"C{number}"
        ax.plot(np.arange(1, len(loss) + 1), loss, color=color, alpha=0.25, linewidth=0.8)
        width = max(1, min(window, len(loss) // 3))
        mean = np.convolve(loss, np.full(width, 1 / width), mode="valid")
        ax.plot(np.arange(width, len(loss) + 1), mean, color=color, label=name)
    ax.set(xlabel="iteration", ylabel="cross-entropy", ylim=(0, None))
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def macs_by_resolution(
    shares: Mapping[str, Mapping[int, float]], ax: Axes | None = None, xlabel: str = "share of multiply-accumulates"
) -> Axes:
    """Stacked horizontal bars: for each network the share (0 to 1) of its work at each stride (4 is a quarter)."""
    ax = ax or plt.subplots(figsize=(7.5, 0.6 * len(shares) + 1.4), layout="constrained")[1]
    strides = sorted({stride for share in shares.values() for stride in share})
    colors = plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(strides)))
    names = list(shares)
    left = np.zeros(len(names))
    for stride, color in zip(strides, colors, strict=True):
        width = np.array([shares[name].get(stride, 0.0) for name in names])
        ax.barh(names, width, left=left, color=color, label=f"1/{stride}")
        for y, (start, size) in enumerate(zip(left, width, strict=True)):
            if size > 0.05:
                ink = "white" if np.dot(color[:3], (0.3, 0.6, 0.1)) < 0.55 else "black"
                ax.text(start + size / 2, y, f"{size:.0%}", ha="center", va="center", color=ink, fontsize=8)
        left += width
    ax.set(xlabel=xlabel, xlim=(0, 1))
    ax.invert_yaxis()
    ax.legend(title="resolution", ncols=len(strides), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return ax
