"""Figures of notebook 03: confusion matrices, class scores, and comparisons of two networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from helpers.plotting.base import class_ticks, extent, new_axes

# Colours of the values of `helpers.evaluation.compare.error_map`.
ERROR_COLOURS: np.ndarray = np.array([[225, 225, 225], [230, 140, 20], [40, 110, 190], [160, 0, 60]], dtype=np.uint8)


def confusion(matrix: np.ndarray, classes: Sequence[str], ax: Axes | None = None, title: str = "") -> Axes:
    """Draw a confusion matrix (rows: labels, columns: predictions) in percent of each row; empty rows are blank."""
    side = extent(len(classes), 0.3, 1.8, least=4.0)
    ax = new_axes(ax, (side + 1.0, side))
    size = 9 * min(1.0, 30 / len(classes))
    labelled = matrix.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * matrix, labelled, out=np.full(matrix.shape, np.nan), where=labelled > 0)
    picture = ax.imshow(share, cmap="magma_r", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(share >= 5), strict=True):
        value = share[row, column]
        ax.text(
            column,
            row,
            f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=size,
            color="white" if value > 55 else "black",
        )
    class_ticks(ax.xaxis, classes, 9, rotation=60, ha="right", rotation_mode="anchor")
    class_ticks(ax.yaxis, classes, 9)
    ax.set(xlabel="predicted", ylabel="labelled", title=title)
    ax.figure.colorbar(picture, ax=ax, shrink=0.75, label="% of the labelled pixels in the row")
    return ax


def error_names(first: str, second: str) -> tuple[str, ...]:
    """Return the names of the values 0 to 3 of an error map."""
    return ("both right", f"only {first} right", f"only {second} right", "both wrong")


def error_picture(errors: np.ndarray, image: np.ndarray, opacity: float = 0.75) -> np.ndarray:
    """Blend an error map (H, W) into the grey image; ignored pixels show the image only. Returns uint8 (H, W, 3)."""
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    coloured = ERROR_COLOURS[np.minimum(errors, len(ERROR_COLOURS) - 1)]
    weight = np.where(errors < len(ERROR_COLOURS), opacity, 0.0)[..., None]
    return np.rint(grey * (1 - weight) + coloured * weight).astype(np.uint8)


def error_legend(figure: Figure, first: str, second: str, caption: str) -> None:
    """Add the legend of error maps and a caption below a figure."""
    patches = [
        Patch(facecolor=colour / 255, edgecolor="0.4", label=name)
        for colour, name in zip(ERROR_COLOURS, error_names(first, second), strict=True)
    ]
    legend = figure.legend(handles=patches, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    legend.set_title(caption, {"size": 9})


def differences(
    difference: np.ndarray, names: Sequence[str], first: str, second: str, level: float, ax: Axes | None = None
) -> Axes:
    """Draw differences with their confidence intervals, one row per class.

    Values right of zero favour `second`. An interval that contains zero is grey: the difference may be random.

    Parameters
    ----------
    difference : ndarray of float, (3, N)
        Value, lower and upper end of the interval; NaN for an absent class.
    names : sequence of str
        Names of the N rows.
    first, second : str
        Names of the compared networks.
    level : float
        Confidence level of the intervals, 0 to 1.
    ax : Axes, optional
        Axes to draw on.
    """
    ax = new_axes(ax, (7.5, extent(len(names), 0.3, 1.4)))
    value, low, high = difference
    rows = np.arange(len(names))
    ax.axvline(0, color="black", linewidth=0.8)
    for row in rows[~np.isnan(value)]:
        clear = low[row] > 0 or high[row] < 0
        colour = ERROR_COLOURS[2 if value[row] > 0 else 1] / 255 if clear else "0.6"
        ends = [low[row], high[row]]  # named for the alternative text
        ax.plot(ends, [row, row], color=colour, linewidth=2.5, solid_capstyle="butt", label=names[row])
        ax.plot(value[row], row, "o", color=colour, markersize=5)
    for row in rows[np.isnan(value)]:
        ax.text(0, row, " absent", va="center", fontsize=9, color="grey")
    class_ticks(ax.yaxis, names, 9)
    ax.set_ylim(len(names) - 0.5, -0.5)
    widest = np.nanmax(np.abs(difference), initial=0.01) * 1.1
    ax.set(
        xlim=(-widest, widest),
        xlabel=f"← {first} better        difference of IoU, {level:.0%} interval        {second} better →",
    )
    ax.xaxis.label.set_fontsize(9)
    ax.grid(axis="x", alpha=0.3)
    return ax


def iou_by_bin(
    means: Mapping[str, np.ndarray],
    counts: np.ndarray,
    edges: np.ndarray,
    xlabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean IoU of regions against their size, one line per network, with the number of regions on top.

    `means` maps a network to values (bins,); `counts` is (bins,) and `edges` (bins + 1,), on a logarithmic axis.
    """
    ax = new_axes(ax, (5.5, 3.6))
    middles = np.sqrt(edges[:-1] * edges[1:])
    for name, mean in means.items():
        known = ~np.isnan(mean)
        ax.plot(middles[known], mean[known], "o-", label=name)
    for middle, count in zip(middles, counts, strict=True):
        if count:
            at = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "fontsize": 9, "color": "0.4"}
            ax.annotate(f"{count}", (middle, 1), **at)  # above the axes, clear of the lines
    ax.set_xscale("log")
    ax.set(xlabel=xlabel, ylabel="mean IoU of the regions", ylim=(0, 1), xlim=(edges[0], edges[-1]))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    return ax


def subset_scores(sizes: Sequence[int], series: Mapping[str, Sequence[float]], ax: Axes | None = None) -> Axes:
    """Draw the mIoU of the first n frames for several treatments of absent classes, one value per size each."""
    ax = new_axes(ax, (6.5, 3.4))
    for name, values in series.items():
        ax.plot(sizes, values, "o-", markersize=4, label=name)
    ax.set(xlabel="frames scored", ylabel="mIoU", ylim=(0, None))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    return ax


def cost_and_gain(rows: Mapping[str, tuple[float, float]], ax: Axes | None = None) -> Axes:
    """Draw mIoU against seconds per frame, one labelled point per method: {name: (seconds, mIoU)}."""
    ax = new_axes(ax, (6.5, 3.6))
    for name, (seconds, miou) in rows.items():
        ax.plot(seconds, miou, "o", color="tab:blue", label=name)
        ax.annotate(name, (seconds, miou), (6, 5), textcoords="offset points", fontsize=9)
    ax.set(xlabel="seconds per frame", ylabel="mIoU", xlim=(0, 1.35 * max(seconds for seconds, _ in rows.values())))
    ax.margins(y=0.3)
    ax.grid(alpha=0.3)
    return ax


def reliability(tables: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], ax: Axes | None = None) -> Axes:
    """Draw accuracy against confidence, one line per network, over bars of where its pixels lie.

    `tables` maps a network to pixels, confidence and accuracy per bin, each (bins,), as in
    `helpers.evaluation.calibration.Reliability`. On the diagonal, confidence equals accuracy.
    """
    ax = new_axes(ax, (5.2, 4.6))
    ax.plot([0, 1], [0, 1], color="0.5", linewidth=1, linestyle="--", label="perfectly calibrated")
    for number, (name, (pixels, confidence, accuracy)) in enumerate(tables.items()):
        filled = pixels > 0
        ax.plot(confidence[filled], accuracy[filled], "o-", color=f"C{number}", markersize=5, label=name)
        edges = (np.arange(len(pixels)) + (number + 0.5) / len(tables)) / len(pixels)
        share = pixels / pixels.sum()
        ax.bar(edges, share, 0.8 / len(pixels) / len(tables), color=f"C{number}", alpha=0.3)
    ax.set(xlabel="confidence", ylabel="accuracy (lines), share of the pixels (bars)", xlim=(0, 1), ylim=(0, 1))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9, loc="upper left")
    return ax


def robustness(results: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw mIoU against the strength of each corruption, one panel per kind and one line per network."""
    rows, columns = -(-len(results) // 2), min(2, len(results))
    size = (4.2 * columns, 2.5 * rows + 0.3)
    grid = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(rows, columns, figsize=size, **grid)
    for unused in axes.flat[len(results) :]:
        unused.remove()
    for ax, (kind, networks) in zip(axes.flat, results.items(), strict=False):
        for name, values in networks.items():
            ax.plot(range(len(values)), values, "o-", markersize=4, label=name)
        ax.set(title=kind, xlabel="strength", ylabel="mIoU", ylim=(0, 1))
        ax.grid(alpha=0.3)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9, frameon=False
    )
    return figure
