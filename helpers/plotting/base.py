"""What figures of street scenes have in common: pictures without axes, overlays, legends, grids, captions."""

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

PANEL_WIDTH = 4.2  # inches of one picture in a grid
_CAPTION = {"fontsize": 8, "color": "0.35"}


def new_axes(ax: Axes | None = None, size: tuple[float, float] = (8.0, 4.5)) -> Axes:
    """`ax` itself, or the axes of a new figure of `size` (width, height) in inches."""
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def show_image(image: np.ndarray, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw uint8 `image` (H, W, 3) or (H, W) without axis marks; a one-channel image is drawn in grey."""
    ax = new_axes(ax, (8.0, 8.0 * image.shape[0] / image.shape[1] + (0.3 if title else 0.0)))
    ax.imshow(image, cmap="gray" if image.ndim == 2 else None, interpolation="antialiased")
    ax.set_axis_off()
    if title:
        ax.set_title(title, fontsize=10)
    return ax


def overlay(image: np.ndarray, train_ids: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """The class colours laid over the image; ignored pixels show the image alone.

    `image` uint8 (H, W, 3), `train_ids` integer (H, W), `opacity` 0 (image) to 1 (colours). Returns uint8 (H, W, 3).
    Raises CourseError when the sizes differ or the opacity is out of range.
    """
    if image.shape[:2] != train_ids.shape:
        raise CourseError(
            f"The image has {image.shape[0]} x {image.shape[1]} pixels and its labels "
            f"{' x '.join(map(str, train_ids.shape))}: give labels of the image's own size."
        )
    if not 0.0 <= opacity <= 1.0:
        raise CourseError(f"The opacity is {opacity}: give a number from 0 to 1.")
    weight = np.where(train_ids == IGNORE, 0, round(256 * opacity)).astype(np.uint16)[..., None]
    mixed = image.astype(np.uint16) * (256 - weight) + colorize(train_ids).astype(np.uint16) * weight
    return (mixed >> 8).astype(np.uint8)


def class_legend(where: Axes | Figure, classes: Iterable[int | str] = CLASSES, columns: int | None = None) -> Legend:
    """A legend of class colours. `classes`: names or train ids. Beside an axes, below a figure."""
    ids = [CLASSES.index(each) if isinstance(each, str) else int(each) for each in classes]
    patches = [Patch(facecolor=PALETTE[i] / 255, edgecolor="0.4", linewidth=0.5, label=CLASSES[i]) for i in ids]
    if isinstance(where, Figure):
        columns = columns or min(len(ids), max(2, int(where.get_figwidth() / 1.25)))
        return where.legend(handles=patches, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)
    return where.legend(
        handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=columns or 1, fontsize=8, frameon=False
    )


def present_classes(*label_maps: np.ndarray) -> list[int]:
    """Train ids that occur in any of the label maps, in order; for legends."""
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
    """Pictures in rows of `columns`, each with its title, a class legend and a caption below.

    `images`: uint8 (H, W, 3) or (H, W), any sizes. `panel_width` in inches. Returns the figure.
    """
    if not len(images):
        raise CourseError("There is no picture to show: give at least one image.")
    if titles is not None and len(titles) != len(images):
        raise CourseError(f"There are {len(images)} images and {len(titles)} titles: give one title per image.")
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
        if caption:  # both want the same place below the figure, so the caption becomes the legend's title
            below.set_title(caption, {"size": _CAPTION["fontsize"]})
            below.get_title().set_color(_CAPTION["color"])
    elif caption:
        figure.supxlabel(caption, **_CAPTION)
    return figure


def caption(figure: Figure, text: str) -> None:
    """Write `text` small below the figure: which data, which profile. Needs the constrained layout."""
    figure.supxlabel(text, **_CAPTION)
