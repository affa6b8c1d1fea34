"""Figures of notebook 01: what is in a data set, and how a frame is annotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
from cityscapesscripts.helpers.labels import name2label
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from helpers.cityscapes import CLASSES, IGNORE, LABELS, PALETTE
from helpers.cityscapes.statistics import HEIGHT_BANDS, Statistics
from helpers.common.errors import CourseError
from helpers.plotting.base import new_axes, show_image

_COLOURS = PALETTE / 255
_BY_ID = {label.id: label for label in LABELS}
_MARKERS = ("D", "o", "s", "^")


def class_bars(
    series: Mapping[str, Sequence[float]],
    ylabel: str,
    markers: Mapping[str, Mapping[str, float]] | None = None,
    classes: Sequence[str] = CLASSES,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Bars in the class colours, one group a class.

    `series`: name to one value for each of `classes`, hatched from the second on; `markers`: name to {class: value},
    drawn over the bars, such as published numbers. `log`: logarithmic height; zeros are left out then.
    """
    ax = new_axes(ax, (11.0, 3.8))
    at = np.arange(len(classes))
    width = 0.8 / len(series)
    colours = [_COLOURS[CLASSES.index(name)] for name in classes]
    for i, (name, values) in enumerate(series.items()):
        if len(values) != len(classes):
            raise CourseError(f"{name} has {len(values)} values for {len(classes)} classes: give one for each.")
        offset = (i - (len(series) - 1) / 2) * width
        ax.bar(at + offset, values, width, color=colours, edgecolor="0.25", linewidth=0.6, hatch="////" * (i % 2))
        ax.bar(0, 0, color="0.75", edgecolor="0.25", hatch="////" * (i % 2), label=name)  # its place in the legend
    for shape, (name, values) in zip(_MARKERS, (markers or {}).items(), strict=False):
        drawn = [values.get(each, np.nan) for each in classes]
        ax.plot(at, drawn, shape, color="black", markerfacecolor="white", markersize=6, label=name)
    if log:
        ax.set_yscale("log")
    ax.set_xticks(at, classes, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(classes) - 0.4)
    ax.set_ylabel(ylabel)
    ax.legend(fontsize=8)
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    return ax


def height_stack(statistics: Statistics, ax: Axes | None = None) -> Axes:
    """At every height of the picture, how its labelled pixels are shared among the classes: a street seen from afar."""
    ax = new_axes(ax, (5.0, 4.6))
    counts = statistics.heights / np.maximum(1, statistics.heights.sum(axis=1, keepdims=True))
    height = np.linspace(0, 1, HEIGHT_BANDS)
    edge = np.zeros(HEIGHT_BANDS)
    for i in np.argsort(-statistics.pixels, kind="stable"):
        ax.fill_betweenx(height, edge, edge + counts[:, i], color=_COLOURS[i], linewidth=0)
        edge = edge + counts[:, i]
    ax.set(xlim=(0, 1), ylim=(1, 0), xlabel="share of the labelled pixels", ylabel="height in the picture (0 = top)")
    return ax


def height_map(statistics: Statistics, ax: Axes | None = None) -> Axes:
    """Where each class lives: a column a class, dark at the heights at which most of its pixels are."""
    ax = new_axes(ax, (7.0, 4.6))
    per_class = statistics.heights / np.maximum(1, statistics.heights.max(axis=0, keepdims=True))
    ax.imshow(per_class, aspect="auto", cmap="Greys", extent=(-0.5, len(CLASSES) - 0.5, 1, 0), interpolation="nearest")
    ax.set_xticks(range(len(CLASSES)), CLASSES, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_ylabel("height in the picture (0 = top)")
    return ax


def region_spans(statistics: Statistics, ax: Axes | None = None, reference: Mapping[str, float] | None = None) -> Axes:
    """How large the connected regions of each class are: line from 10 to 90 % of its pixels, dot at half of them.

    `reference`: name to area in pixels, drawn as vertical lines. Classes in order of the dot, smallest on top.
    """
    ax = new_axes(ax, (8.0, 5.0))
    spans = {i: [statistics.typical_region(i, share) for share in (0.1, 0.5, 0.9)] for i in range(len(CLASSES))}
    present = sorted((i for i in spans if not np.isnan(spans[i][1])), key=lambda i: -spans[i][1])
    for row, i in enumerate(present):
        low, middle, high = spans[i]
        ax.plot([low, high], [row, row], color=_COLOURS[i], linewidth=5, solid_capstyle="round")
        ax.plot(middle, row, "o", color=_COLOURS[i], markeredgecolor="black", markersize=8)
    for name, area in (reference or {}).items():
        ax.axvline(area, color="0.3", linewidth=1, linestyle=":")
        ax.text(area, len(present) - 0.3, f" {name}", fontsize=8, color="0.3", va="center")
    ax.set_xscale("log")
    ax.set_ylim(-0.6, len(present) + 0.1)
    ax.set_yticks(range(len(present)), [CLASSES[i] for i in present])
    ax.set_xlabel("area of the connected region in which a pixel of the class lies (pixels)")
    ax.grid(axis="x", alpha=0.3)
    return ax


def city_bars(cities: Mapping[str, int], ax: Axes | None = None) -> Axes:
    """Frames of each "<split>/<city>", one bar a city, coloured by split."""
    names = sorted(cities, key=lambda name: (("train", "val", "test").index(name.split("/")[0]), name))
    ax = new_axes(ax, (max(5.0, 0.38 * len(names)), 2.9))
    colours = {"train": "#4c72b0", "val": "#dd8452", "test": "#8c8c8c"}
    for split, colour in colours.items():
        at = [i for i, name in enumerate(names) if name.startswith(f"{split}/")]
        if at:
            ax.bar(at, [cities[names[i]] for i in at], color=colour, label=split)
    ax.set_xticks(range(len(names)), [name.split("/")[1] for name in names], rotation=45, ha="right")
    ax.set_ylabel("frames")
    ax.legend(fontsize=8)
    return ax


def polygon_picture(image: np.ndarray, polygons: Mapping, count: int, opacity: float = 0.6) -> np.ndarray:
    """The first `count` polygons of an annotation drawn over uint8 `image` (H, W, 3), the last one outlined.

    `polygons`: the content of a gtFine_polygons.json. They are in drawing order, back to front, so that a later one
    covers what is behind it. Returns uint8 (H, W, 3).
    """
    drawn = image.copy()
    objects = [each for each in polygons["objects"] if not each.get("deleted")]
    if not 0 <= count <= len(objects):
        raise CourseError(f"The annotation has {len(objects)} objects: draw 0 to {len(objects)} of them, not {count}.")
    for each in objects[:count]:
        label = name2label[each["label"] if each["label"] in name2label else each["label"].removesuffix("group")]
        if label.id >= 0:
            cv2.fillPoly(drawn, [np.rint(each["polygon"]).astype(np.int32)], label.color)
    mixed = cv2.addWeighted(image, 1 - opacity, drawn, opacity, 0)
    if count:
        points = np.rint(objects[count - 1]["polygon"]).astype(np.int32)
        cv2.polylines(mixed, [points], True, (255, 235, 0), max(1, image.shape[1] // 400), cv2.LINE_AA)
    return mixed


def ignored_areas(image: np.ndarray, label_ids: np.ndarray, ax: Axes | None = None) -> Axes:
    """What is not evaluated in a frame, a colour for each label, over a darkened uint8 `image` (H, W, 3).

    `label_ids`: integer (H, W). The official colours of these labels are black or alike, so others are used.
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
        ax.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8, frameon=False)
    return ax


def instance_colours(instance_ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each single object of uint16 `instance_ids` (H, W) in a colour of its own, all else dark; uint8 (H, W, 3)."""
    table = np.random.default_rng(seed).integers(70, 256, (1 << 16, 3), dtype=np.uint8)
    table[:1000] = 45
    return table[instance_ids]


def before_and_after(
    rows: Sequence[tuple[str, np.ndarray, np.ndarray]], columns: int = 3, caption: str | None = None
) -> Figure:
    """Pairs of pictures, image over label, each pair with its title; for a gallery of augmentations.

    `rows`: (title, image uint8 (H, W, 3), coloured label uint8 (H, W, 3)); sizes may differ from pair to pair.
    """
    count = -(-len(rows) // columns)
    tallest = [max(r[1].shape[0] / r[1].shape[1] for r in rows[i * columns : (i + 1) * columns]) for i in range(count)]
    heights = [ratio for each in tallest for ratio in (each, each)]
    figure, axes = plt.subplots(
        2 * count,
        columns,
        figsize=(columns * 3.6, 3.6 * sum(heights) + 0.35 * count),
        squeeze=False,
        layout="constrained",
        height_ratios=heights,
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for i, (title, image, label) in enumerate(rows):
        above, below = axes[2 * (i // columns), i % columns], axes[2 * (i // columns) + 1, i % columns]
        above.imshow(image)
        above.set_title(title, fontsize=9)
        below.imshow(label, interpolation="nearest")
    if caption:
        figure.supxlabel(caption, fontsize=8, color="0.35")
    return figure
