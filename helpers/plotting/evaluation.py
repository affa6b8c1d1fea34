"""Figures of notebook 03: confusion matrices and class scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def confusion(matrix: np.ndarray, classes: Sequence[str], ax: Axes | None = None, title: str = "") -> Axes:
    """The confusion matrix (rows labels, columns predictions) as row shares in percent; empty rows stay blank."""
    ax = ax or plt.subplots(figsize=(8.5, 7.5), layout="constrained")[1]
    labelled = matrix.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * matrix, labelled, out=np.full(matrix.shape, np.nan), where=labelled > 0)
    picture = ax.imshow(share, cmap="magma_r", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(share >= 5), strict=True):
        value = share[row, column]
        ax.text(
            column, row, f"{value:.0f}", ha="center", va="center", fontsize=7, color="white" if value > 55 else "black"
        )
    ax.set_xticks(range(len(classes)), classes, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    ax.set_yticks(range(len(classes)), classes, fontsize=8)
    ax.set(xlabel="predicted", ylabel="labelled", title=title)
    ax.figure.colorbar(picture, ax=ax, shrink=0.75, label="% of the labelled pixels of the row")
    return ax


def class_bars(
    values: Mapping[str, np.ndarray], classes: Sequence[str], ax: Axes | None = None, xlabel: str = "IoU"
) -> Axes:
    """Horizontal bars of a score in 0 to 1 for each class, one colour per network; NaN is left empty and marked."""
    ax = ax or plt.subplots(figsize=(7.5, 0.32 * len(classes) + 1.2), layout="constrained")[1]
    height = 0.8 / len(values)
    rows = np.arange(len(classes))
    for number, (name, value) in enumerate(values.items()):
        y = rows + (number - (len(values) - 1) / 2) * height
        ax.barh(y, np.nan_to_num(value), height=height, label=name)
        for position in y[np.isnan(value)]:
            ax.text(0.005, position, "absent", va="center", fontsize=6, color="grey")
    ax.set_yticks(rows, classes, fontsize=8)
    ax.set(xlabel=xlabel, xlim=(0, 1))
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(values), frameon=False)
    return ax
