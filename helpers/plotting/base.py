"""Shared parts of the figures: images without axes, overlays, legends, grids and captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch

from helpers.cityscapes import CLASSES, IGNORE, PALETTE, colorize
from helpers.common.errors import CourseError

PANEL_WIDTH = 4.2  # inches, one image of a grid
_CAPTION = {"fontsize": 8, "color": "0.35"}


def new_axes(ax: Axes | None = None, size: tuple[float, float] = (8.0, 4.5)) -> Axes:
    """Return `ax`, or the axes of a new figure of `size` (width, height) in inches."""
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def show_image(image: np.ndarray, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw a uint8 image (H, W, 3), or (H, W) in grey, without axes."""
    ax = new_axes(ax, (8.0, 8.0 * image.shape[0] / image.shape[1] + (0.3 if title else 0.0)))
    ax.imshow(image, cmap="gray" if image.ndim == 2 else None, interpolation="antialiased")
    ax.set_axis_off()
    if title:
        ax.set_title(title, fontsize=10)
    return ax


def overlay(image: np.ndarray, train_ids: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """Blend the class colours into an image; ignored pixels show the image only.

    `image` is uint8 (H, W, 3), `train_ids` integer (H, W), `opacity` from 0 (image) to 1 (colours). Returns uint8
    (H, W, 3). Raises CourseError if the sizes differ or the opacity is out of range.
    """
    if image.shape[:2] != train_ids.shape:
        raise CourseError(
            f"Expected labels of the image's size, {image.shape[0]} x {image.shape[1]}, got "
            f"{' x '.join(map(str, train_ids.shape))}: resize the labels."
        )
    if not 0.0 <= opacity <= 1.0:
        raise CourseError(f"Expected an opacity from 0 to 1, got {opacity}.")
    weight = np.where(train_ids == IGNORE, 0, round(256 * opacity)).astype(np.uint16)[..., None]
    mixed = image.astype(np.uint16) * (256 - weight) + colorize(train_ids).astype(np.uint16) * weight
    return (mixed >> 8).astype(np.uint8)


def class_legend(where: Axes | Figure, classes: Iterable[int | str] = CLASSES, columns: int | None = None) -> Legend:
    """Add a legend of class colours to the right of axes or below a figure; `classes` are names or train ids."""
    ids = [CLASSES.index(each) if isinstance(each, str) else int(each) for each in classes]
    patches = [Patch(facecolor=PALETTE[i] / 255, edgecolor="0.4", linewidth=0.5, label=CLASSES[i]) for i in ids]
    if isinstance(where, Figure):
        columns = columns or min(len(ids), max(2, int(where.get_figwidth() / 1.25)))
        return where.legend(handles=patches, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)
    return where.legend(
        handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=columns or 1, fontsize=8, frameon=False
    )


def present_classes(*label_maps: np.ndarray) -> list[int]:
    """Return the sorted train ids that occur in any of the label maps."""
    found = np.zeros(256, dtype=bool)
    for label_map in label_maps:
        found[np.unique(label_map)] = True
    return [int(i) for i in np.flatnonzero(found[: len(CLASSES)])]


def frame_grid(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    caption: str | None = None,
    legend: Iterable[int | str] | None = None,
    panel_width: float = PANEL_WIDTH,
) -> Figure:
    """Draw images in a grid, with titles, a class legend and a caption.

    Parameters
    ----------
    images : sequence of ndarray
        uint8 (H, W, 3) or (H, W); sizes may differ.
    titles : sequence of str, optional
        One title per image.
    columns : int, default 3
        Images per row.
    caption : str, optional
        Text below the figure.
    legend : iterable of int or str, optional
        Classes to list in the legend: train ids or names.
    panel_width : float, default 4.2
        Width of one image, in inches.

    Returns the figure. Raises CourseError if there is no image, or not one title per image.
    """
    if not len(images):
        raise CourseError("Expected at least one image, got none.")
    if titles is not None and len(titles) != len(images):
        raise CourseError(f"Expected one title per image, got {len(titles)} titles for {len(images)} images.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    aspect = max(image.shape[0] / image.shape[1] for image in images)
    height = rows * (panel_width * aspect + (0.28 if titles else 0.06)) + (0.3 if caption else 0)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * panel_width, height + (0.55 if legend else 0)),
        squeeze=False,
        layout="constrained",
    )
    for i, ax in enumerate(axes.flat):
        if i < len(images):
            show_image(images[i], ax, titles[i] if titles is not None else None)
        else:
            ax.set_axis_off()
    if legend:
        below = class_legend(figure, legend)
        if caption:  # both would occupy the space below the figure, so the caption becomes the legend's title
            below.set_title(caption, {"size": _CAPTION["fontsize"]})
            below.get_title().set_color(_CAPTION["color"])
    elif caption:
        figure.supxlabel(caption, **_CAPTION)
    return figure


def caption(figure: Figure, text: str) -> None:
    """Write a small caption below a figure with constrained layout: the data, the profile."""
    figure.supxlabel(text, **_CAPTION)
