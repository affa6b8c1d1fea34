"""Shared parts of the figures: images without axes, overlays, legends, grids and captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch

from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, Classes
from helpers.plotting.names import drawable, plain

PANEL_WIDTH = 4.2  # inches, one image of a grid
TALLEST = 3.0  # height of the panel of an image, relative to its width
LARGEST = 30.0  # inches, of a figure that grows with the number of classes
PAGE_WIDTH = 9.5  # inches; a wider figure is shrunk to it, so its text must be larger
_SIZE = 9  # points of captions and legends, legible at half the width of the page
_GREY = "0.35"


def legible(points: float, width: float) -> float:
    """Return the font size that looks like `points` after a figure of `width` inches is shrunk to the page."""
    return points * max(1.0, width / PAGE_WIDTH)


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
        ax.set_title(plain(title), fontsize=legible(10, ax.figure.get_figwidth()))
    return ax


def overlay(image: np.ndarray, train_ids: np.ndarray, classes: Classes, opacity: float = 0.5) -> np.ndarray:
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
    mixed = image.astype(np.uint16) * (256 - weight) + classes.colorize(train_ids).astype(np.uint16) * weight
    return (mixed >> 8).astype(np.uint8)


def class_colours(classes: Classes, *label_maps: np.ndarray) -> dict[str, np.ndarray]:
    """Return the colours, uint8 (3,), of the classes in any of the label maps by name, or of all classes without one.

    A label map holds integer train ids; its shape does not matter.
    """
    present = np.zeros(256, dtype=bool)
    for label_map in label_maps:
        present[np.unique(label_map)] = True
    return {name: classes.palette[i] for i, name in enumerate(classes.names) if present[i] or not label_maps}


def class_legend(where: Axes | Figure, colours: Mapping[str, np.ndarray], columns: int | None = None) -> Legend:
    """Add a legend of class colours, see `class_colours`, to the right of axes or below a figure."""
    patches = [Patch(facecolor=colour / 255, edgecolor="0.4", linewidth=0.5) for colour in colours.values()]
    size = legible(_SIZE, where.figure.get_figwidth())
    style = {"labels": drawable(colours), "fontsize": size, "frameon": False}
    if isinstance(where, Figure):
        columns = columns or _legend_columns(colours, where.get_figwidth())
        return where.legend(handles=patches, loc="outside lower center", ncols=columns, **style)
    columns = columns or -(-len(patches) // 30)
    return where.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=columns, **style)


def _legend_columns(names: Mapping[str, np.ndarray], inches: float) -> int:
    """Return how many columns of a legend fit: one needs 1.4 inches, more if names are long."""
    longest = max(map(len, drawable(names)), default=0)
    needed = legible(max(1.4, 0.45 + 0.073 * longest), inches)
    return max(1, min(len(names), int(inches / needed)))


def class_ticks(axis: Axis, names: Sequence[str], size: float = 10, **style) -> None:
    """Label the positions 0 to N - 1 of an axis with class names, smaller from 40 names on."""
    size = max(3.5, legible(size, axis.axes.figure.get_figwidth()) * min(1.0, 40 / max(1, len(names))))
    axis.set_ticks(range(len(names)), drawable(names), fontsize=size, **style)


def extent(count: int, each: float, rest: float, least: float = 0.0) -> float:
    """Return the inches of a figure with `count` rows or columns of `each` inch and `rest` inches around them."""
    return min(LARGEST, max(least, each * count + rest))


def frame_grid(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int = 3,
    caption: str | None = None,
    legend: Mapping[str, np.ndarray] | None = None,
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
    legend : mapping of str to ndarray, optional
        Colours of the classes in the legend, see `class_colours`.
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
    aspects = [min(TALLEST, image.shape[0] / image.shape[1]) for image in images]
    aspects = [max(aspects[row * columns : (row + 1) * columns]) for row in range(rows)]
    text = rows * (0.28 if titles else 0.06) + (0.3 if caption else 0)
    if legend:
        text += 0.05 + 0.2 * -(-len(legend) // _legend_columns(legend, columns * panel_width))
    height = panel_width * sum(aspects) + legible(text, columns * panel_width)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * panel_width, height),
        squeeze=False,
        layout="constrained",
        height_ratios=aspects,
    )
    for i, ax in enumerate(axes.flat):
        if i < len(images):
            show_image(images[i], ax, titles[i] if titles is not None else None)
        else:
            ax.set_axis_off()
    if legend:
        below = class_legend(figure, legend)
        if caption:  # both would occupy the space below the figure, so the caption becomes the legend's title
            below.set_title(plain(caption), {"size": legible(_SIZE, figure.get_figwidth())})
            below.get_title().set_color(_GREY)
    elif caption:
        figure.supxlabel(plain(caption), fontsize=legible(_SIZE, figure.get_figwidth()), color=_GREY)
    return figure


def caption(figure: Figure, text: str) -> None:
    """Write a small caption below a figure with constrained layout: the data, the profile."""
    figure.supxlabel(plain(text), fontsize=legible(_SIZE, figure.get_figwidth()), color=_GREY)
