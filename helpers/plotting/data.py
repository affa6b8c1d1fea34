"""Figures of notebook 01: statistics of a data set, and the annotation of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
from cityscapesscripts.helpers.labels import name2label
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from helpers.cityscapes import LABELS
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, SPLITS, Classes
from helpers.datasets.statistics import HEIGHT_BANDS, Statistics
from helpers.plotting import base
from helpers.plotting.base import class_ticks, extent, legible, new_axes, show_image

_BY_ID = {label.id: label for label in LABELS}
_MARKERS = ("D", "o", "s", "^")


def class_bars(
    series: Mapping[str, Sequence[float]],
    ylabel: str,
    classes: Classes,
    markers: Mapping[str, Mapping[str, float]] | None = None,
    shown: Sequence[str] | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw grouped bars in the class colours, one group per class.

    Parameters
    ----------
    series : mapping of str to sequence of float
        For each name one value per shown class. Every second series is hatched.
    ylabel : str
        Label of the y axis.
    classes : Classes
        Their names and colours.
    markers : mapping of str to mapping, optional
        For each name {class: value}, drawn as markers over the bars, such as published numbers.
    shown : sequence of str, optional
        Names of the classes to draw, by default all.
    log : bool, default False
        Use a logarithmic y axis; zeros are not drawn.
    ax : Axes, optional
        Axes to draw on.

    Raises CourseError if a series does not have one value per shown class.
    """
    shown = classes.names if shown is None else shown
    ax = new_axes(ax, (extent(len(shown), 0.5, 1.5, least=6.0), 3.8))
    at = np.arange(len(shown))
    width = 0.8 / len(series)
    colours = [classes.palette[classes.index(name)] / 255 for name in shown]
    for i, (name, values) in enumerate(series.items()):
        if len(values) != len(shown):
            raise CourseError(f"Expected one value per class in {name}, got {len(values)} for {len(shown)}.")
        offset = (i - (len(series) - 1) / 2) * width
        style = {"edgecolor": "0.25", "hatch": "////" * (i % 2)}
        ax.bar(at + offset, values, width, color=colours, linewidth=0.6, label=f"_{name}", **style)
        ax.bar(0, 0, color="0.75", label=name, **style)  # for the legend
    for shape, (name, values) in zip(_MARKERS, (markers or {}).items(), strict=False):
        drawn = [values.get(each, np.nan) for each in shown]
        ax.plot(at, drawn, shape, color="black", markerfacecolor="white", markersize=6, label=name)
    if log:
        ax.set_yscale("log")
    class_ticks(ax.xaxis, shown, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(shown) - 0.4)
    ax.set_ylabel(ylabel)
    size = legible(9, ax.figure.get_figwidth())
    ax.legend(fontsize=size, ncols=4, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))  # clear of the bars
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    return ax


def height_stack(statistics: Statistics, classes: Classes, ax: Axes | None = None) -> Axes:
    """Stack the class shares of the labelled pixels at each height of the image."""
    ax = new_axes(ax, (5.0, 4.6))
    counts = statistics.heights / np.maximum(1, statistics.heights.sum(axis=1, keepdims=True))
    height = np.linspace(0, 1, HEIGHT_BANDS)
    edge = np.zeros(HEIGHT_BANDS)
    for i in np.argsort(-statistics.pixels, kind="stable"):
        ax.fill_betweenx(height, edge, edge + counts[:, i], color=classes.palette[i] / 255, linewidth=0)
        edge = edge + counts[:, i]
    ax.set(xlim=(0, 1), ylim=(1, 0), xlabel="share of the labelled pixels", ylabel="height in the image (0 = top)")
    return ax


def height_map(statistics: Statistics, classes: Classes, ax: Axes | None = None) -> Axes:
    """Draw the distribution of each class over the height of the image, one column per class, dark where dense.

    A square below each column shows the colour of the class.
    """
    ax = new_axes(ax, (extent(len(classes), 0.3, 1.3, least=4.0), 4.6))
    per_class = statistics.heights / np.maximum(1, statistics.heights.max(axis=0, keepdims=True))
    ax.imshow(per_class, aspect="auto", cmap="Greys", extent=(-0.5, len(classes) - 0.5, 1, 0), interpolation="nearest")
    below = {"transform": ax.get_xaxis_transform(), "clip_on": False}
    side = 72 * 0.15 * min(1.0, 40 / len(classes))  # points
    ax.scatter(range(len(classes)), [-0.03] * len(classes), side**2, classes.palette / 255, "s", **below)
    class_ticks(ax.xaxis, classes.names, rotation=40, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="x", length=0, pad=14)
    ax.set_ylabel("height in the image (0 = top)")
    return ax


def width_spans(spans: np.ndarray, classes: Classes, cells: Sequence[int] = (4, 8), ax: Axes | None = None) -> Axes:
    """Draw how wide the regions of each class are: a line over the middle of its pixels, a dot at their median.

    `spans` in pixels, float64 (classes, 3), from `helpers.datasets.widths.width_spans`: low end, median, high end; a
    class of NaN is left out. `cells`: sides in pixels of the feature cells of a network, drawn as vertical lines. The
    narrowest class is on top.
    """
    present = sorted((i for i in range(len(classes)) if not np.isnan(spans[i, 1])), key=lambda i: -spans[i, 1])
    ax = new_axes(ax, (8.0, extent(len(present), 0.21, 1.0, least=2.0)))
    for row, i in enumerate(present):
        low, median, high = spans[i]
        colour = classes.palette[i] / 255
        ax.plot([low, high], [row, row], color=colour, linewidth=5, solid_capstyle="round")
        ax.plot(median, row, "o", color=colour, markeredgecolor="black", markersize=8)
    for cell in cells:
        ax.axvline(cell, color="0.3", linewidth=1, linestyle=":")
        ax.text(cell, len(present) - 0.1, f" cell of 1/{cell}", fontsize=9, color="0.3", va="center")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylim(-0.6, len(present) + 0.4)
    class_ticks(ax.yaxis, [classes.names[i] for i in present])
    ax.set_xlabel("width of the region in which a pixel lies (pixels)")
    ax.grid(axis="x", alpha=0.3)
    return ax


def group_bars(groups: Mapping[str, int], ax: Axes | None = None) -> Axes:
    """Draw the number of frames of each "<split>/<group>", one bar per group, coloured by split.

    The bar of a data set without groups is named after its split.
    """
    names = sorted(groups, key=lambda name: (SPLITS.index(name.split("/")[0]), name))
    ax = new_axes(ax, (extent(len(names), 0.38, 0.0, least=5.0), 2.9))
    colours = {"train": "#4c72b0", "val": "#dd8452", "test": "#8c8c8c"}
    for split, colour in colours.items():
        at = [i for i, name in enumerate(names) if name.startswith(f"{split}/")]
        if at:
            ax.bar(at, [groups[names[i]] for i in at], color=colour, label=split)
    class_ticks(ax.xaxis, [name.split("/", 1)[1] or name.strip("/") for name in names], rotation=45, ha="right")
    ax.set_ylabel("frames")
    ax.legend(fontsize=legible(9, ax.figure.get_figwidth()))
    return ax


def polygon_picture(
    image: np.ndarray, polygons: Mapping, count: int, classes: Classes, opacity: float = 0.6
) -> np.ndarray:
    """Draw the first `count` polygons of an annotation over an image and outline the last one.

    `image` is uint8 (H, W, 3), `polygons` the content of a gtFine_polygons.json, in drawing order: a polygon covers
    those before it. Labels of Cityscapes that are not among `classes` have their colour there; others are only
    outlined. Returns uint8 (H, W, 3). Raises CourseError if the annotation has fewer polygons.
    """
    drawn = image.copy()
    objects = [each for each in polygons["objects"] if not each.get("deleted")]
    if not 0 <= count <= len(objects):
        raise CourseError(f"Expected a count from 0 to {len(objects)} objects, got {count}.")
    for each in objects[:count]:
        colour = _label_colour(each["label"], classes)
        if colour is not None:
            cv2.fillPoly(drawn, [np.rint(each["polygon"]).astype(np.int32)], colour)
    mixed = cv2.addWeighted(image, 1 - opacity, drawn, opacity, 0)
    if count:
        points = np.rint(objects[count - 1]["polygon"]).astype(np.int32)
        cv2.polylines(mixed, [points], True, (255, 235, 0), max(1, image.shape[1] // 400), cv2.LINE_AA)
    return mixed


def _label_colour(name: str, classes: Classes) -> tuple[int, int, int] | None:
    for each in (name, name.removesuffix("group")):  # "cargroup" outlines several cars
        if each in classes.names:
            return classes.colours[classes.index(each)]
        if each in name2label:
            return name2label[each].color if name2label[each].id >= 0 else None
    return None


def ignored_areas(image: np.ndarray, label_ids: np.ndarray, ax: Axes | None = None) -> Axes:
    """Mark the pixels of a frame that are not evaluated, one colour per label, on the darkened image.

    `image` is uint8 (H, W, 3), `label_ids` integer (H, W). The official colours of these labels are black or nearly
    equal, so this figure uses others.
    """
    picture = image // 3
    patches = []
    shown = [i for i in np.unique(label_ids) if _BY_ID[int(i)].trainId in (-1, IGNORE)]
    for number, i in enumerate(shown):
        colour = plt.get_cmap("Set3")(number % 12)[:3]
        where = label_ids == i
        picture[where] = np.rint(255 * np.array(colour))
        patches.append(Patch(color=colour, label=f"{_BY_ID[int(i)].name}, {where.mean():.1%}"))
    ax = show_image(picture, ax, f"ignored: {np.isin(label_ids, shown).mean():.1%} of the frame")
    if patches:
        ax.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=9, frameon=False)
    return ax


def instance_colours(instance_ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """Colour each object of `instance_ids`, uint16 (H, W), at random, all else dark grey; returns uint8 (H, W, 3)."""
    table = np.random.default_rng(seed).integers(70, 256, (1 << 16, 3), dtype=np.uint8)
    table[:1000] = 45
    return table[instance_ids]


def densest(values: np.ndarray, size_hw: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of the window of `size_hw` with the largest sum of `values`, float32 (H, W)."""
    height, width = size_hw
    sums = cv2.boxFilter(values, -1, (width, height), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    inside = sums[: values.shape[0] - height + 1, : values.shape[1] - width + 1]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return slice(row, row + height), slice(column, column + width)


def before_and_after(
    rows: Sequence[tuple[str, np.ndarray, np.ndarray]], columns: int = 3, caption: str | None = None
) -> Figure:
    """Draw pairs of image and label, one above the other: a gallery of augmentations.

    Each of `rows` is (title, image, coloured label), both uint8 (H, W, 3); sizes may differ between pairs. All panels
    have the height of the first image.
    """
    count = -(-len(rows) // columns)
    height = 3.6 * rows[0][1].shape[0] / rows[0][1].shape[1]
    size = (columns * 3.6, count * (2 * height + 0.7))
    figure, axes = plt.subplots(2 * count, columns, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    for i, (title, image, label) in enumerate(rows):
        above, below = axes[2 * (i // columns), i % columns], axes[2 * (i // columns) + 1, i % columns]
        above.imshow(image)
        above.set_title(title, fontsize=legible(11, figure.get_figwidth()))
        below.imshow(label, interpolation="nearest")
    if caption:
        base.caption(figure, caption)
    return figure
