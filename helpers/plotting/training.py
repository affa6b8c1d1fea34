"""Figures of notebook 02: schedules, loss curves, scores, and the work of a network by resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from helpers.plotting.base import class_ticks, extent, new_axes

TRAIN, VAL = ", train", ", val"  # end the name of a score on such frames


def learning_rate(lr: Sequence[float], ax: Axes | None = None, label: str = "learning rate") -> Axes:
    """Draw the learning rate of each iteration; `label` names the line in legends and in the alternative text."""
    ax = new_axes(ax, (6, 2.6))
    ax.plot(np.arange(1, len(lr) + 1), lr, label=label)
    ax.set(xlabel="iteration", ylabel="learning rate", ylim=(0, None))
    ax.grid(alpha=0.3)
    return ax


def loss_curves(losses: Mapping[str, Sequence[float]], ax: Axes | None = None, window: int = 20) -> Axes:
    """Draw the loss of each iteration, faint, and its running mean over `window` iterations, one curve per name."""
    ax = new_axes(ax, (7, 3.6))
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
    """Stack the share of each network's work (0 to 1) by stride; stride 4 is a quarter of the resolution."""
    ax = new_axes(ax, (7.5, 0.6 * len(shares) + 1.4))
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
                ax.text(start + size / 2, y, f"{size:.0%}", ha="center", va="center", color=ink, fontsize=9)
        left += width
    ax.set(xlabel=xlabel, xlim=(0, 1))
    ax.invert_yaxis()
    ax.legend(title="resolution", ncols=len(strides), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return ax


def validation_curves(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]], ax: Axes | None = None) -> Axes:
    """Draw the mIoU over the iterations, one line per name: {name: (iterations, mIoU)}.

    Scores on train frames, whose names end in ", train", are dotted, in the colour of the name with ", val".
    """
    ax = new_axes(ax, (7, 3.0))
    plain = {name: name.removesuffix(TRAIN).removesuffix(VAL) for name in curves}
    networks = list(dict.fromkeys(plain.values()))
    for name, (iterations, miou) in curves.items():
        style = ":" if name.endswith(TRAIN) else "-"
        color = f"C{networks.index(plain[name])}"
        ax.plot(iterations, miou, style, marker="o", markersize=4, color=color, label=name)
    ax.set(xlabel="iteration", ylabel="mIoU", ylim=(0, None), xlim=(0, None))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    return ax


def miou_by_samples(
    own: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    recorded: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    ax: Axes | None = None,
) -> Axes:
    """Draw the validation mIoU over the images seen, on a logarithmic axis.

    Both map names to (images seen, mIoU). Runs of `own` are solid, those of `recorded` dashed with their end labelled;
    the same name has the same colour in both.
    """
    ax = new_axes(ax, (9, 3.8))
    names = list(dict.fromkeys([*own, *recorded]))
    for name, (samples, miou) in own.items():
        ax.plot(samples, miou, "o-", color=f"C{names.index(name)}", markersize=4, label=f"{name}, this run")
    ends = []
    for name, (samples, miou) in recorded.items():
        color = f"C{names.index(name)}"
        ax.plot(samples, miou, "s--", color=color, markersize=4, label=f"{name}, recorded")
        ends.append((miou[-1], samples[-1], color))
    heights = _spread([end[0] for end in ends], 0.06)
    for (miou, samples, color), height in zip(ends, heights, strict=True):
        ax.annotate(
            f" {miou:.3f}", (samples, miou), (samples * 1.12, height), color=color, va="center", annotation_clip=False
        )
    ax.set(xlabel="images seen", ylabel="mIoU, validation", xscale="log", ylim=(0, 1))
    ax.margins(x=0.1)
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left", fontsize=9)
    return ax


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart, upwards from the lowest, until they are `gap` apart."""
    moved = list(heights)
    order = np.argsort(heights)
    for below, above in zip(order[:-1], order[1:], strict=True):
        moved[above] = max(moved[above], moved[below] + gap)
    return moved


def grouped_bars(
    values: Mapping[str, Sequence[float]],
    classes: Sequence[str],
    ax: Axes | None = None,
    ylabel: str = "IoU",
    rotation: float = 0,
) -> Axes:
    """Draw grouped bars, one group per class name and one bar per name of `values`; NaN leaves a gap."""
    ax = new_axes(ax, (extent(len(classes), 0.4, 1.4, least=6.0), 3.4))
    width = 0.84 / len(values)
    for number, (name, heights) in enumerate(values.items()):
        left = np.arange(len(classes)) - 0.42 + width * (number + 0.5)
        ax.bar(left, np.nan_to_num(np.asarray(heights, dtype=float)), width, label=name)
    ax.set(ylabel=ylabel, xlim=(-0.6, len(classes) - 0.4), ylim=(0, None))
    turned = {"rotation": rotation, "ha": "right", "rotation_mode": "anchor"} if rotation else {}
    class_ticks(ax.xaxis, classes, 9 if rotation else 10, **turned)
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    ax.legend(fontsize=9, ncols=min(6, len(values)), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return ax
