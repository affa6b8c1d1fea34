"""Drawings of networks: boxes at their resolution, computed from counted layers or from plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from helpers.common.errors import CourseError
from helpers.plotting.base import new_axes

FONT = 9  # points, legible at half the width of a notebook
_WORK = plt.get_cmap("YlOrRd")  # light for little work, dark for much; also ordered without colour
_LINE = {"color": "0.5", "linewidth": 1, "zorder": 1}

# Fast-SCNN as PaddleSeg names its layers: the modules of the paper, and the parts that are drawn as a box each.
_FASTSCNN = {
    "learning to\ndownsample": (
        ("learning_to_downsample.conv_bn_relu.", "conv"),
        ("learning_to_downsample.dsconv_bn_relu1.", "DSConv"),
        ("learning_to_downsample.dsconv_bn_relu2.", "DSConv"),
    ),
    "global feature\nextractor": (
        ("global_feature_extractor.bottleneck1.", "3 bottle-\nnecks"),
        ("global_feature_extractor.bottleneck2.", "3 bottle-\nnecks"),
        ("global_feature_extractor.bottleneck3.", "3 bottle-\nnecks"),
        ("global_feature_extractor.ppm.", "pyramid\npooling"),
    ),
    "feature\nfusion": (("feature_fusion.", "add"),),
    "classifier": (("classifier.", "2 DSConv\n1x1 conv"),),
}


@dataclass(frozen=True)
class _Map:
    """A box of the drawing `from_classifier`: its name, the stride of the map (0: a vector) and what it holds."""

    name: str
    stride: int
    holds: str = "features"


_SHRINK = (_Map("image", 1, "image"), *(_Map(f"1/{stride}", stride) for stride in (4, 8, 16, 32)))
_GROW = tuple(_Map(f"1/{stride}", stride) for stride in (16, 8, 4))
_LOGITS, _ENLARGED = _Map("logits", 32, "classes"), _Map("enlarged", 1, "classes")
_STEPS: dict[str, tuple[_Map, ...]] = {
    "1  Classifier": (*_SHRINK, _Map("average", 0, "average"), _Map("logits", 0, "classes")),
    "2  Fully convolutional": (*_SHRINK, _LOGITS),
    "3  Upsampling": (*_SHRINK, _LOGITS, _ENLARGED),
    "4  Skip connections": (*_SHRINK, *_GROW, replace(_LOGITS, stride=4), _ENLARGED),
    "5  Pyramid": (*_SHRINK, _Map("averages", 32, "pyramid"), _Map("1/32", 32), _LOGITS, _ENLARGED),
}
_SKIPS = {  # columns: from, to; and how far the arrow bends
    "4  Skip connections": ((3, 5, 0.25), (2, 6, 0.14), (1, 7, 0.09)),
    "5  Pyramid": ((4, 6, 0.5),),
}
_HEIGHTS = {0: 0.1, 1: 1.0, 4: 0.72, 8: 0.54, 16: 0.38, 32: 0.24}  # by stride; true to scale, 1/32 would vanish
_HOLDS = {"image": "0.85", "features": "#9ecae1", "classes": "#fdae6b", "average": "#cbb8e0"}
_BINS = (1, 2, 3, 6)  # regions per side, as in PSPNet and Fast-SCNN


def from_classifier(ax: Axes | None = None) -> Axes:
    """Draw the five steps from a classifier to a segmenter, one per row; the height of a box shows its resolution."""
    ax = new_axes(ax, (9.5, 7.6))
    for row, (title, maps) in enumerate(_STEPS.items()):
        y = 1.75 * row
        ax.text(-0.45, y - 0.72, title, fontsize=FONT + 2, weight="bold")
        for x, each in enumerate(maps):
            height = 0.8 if each.holds == "pyramid" else _HEIGHTS[each.stride]
            ax.text(x, y + max(height, 0.24) / 2 + 0.06, each.name, ha="center", va="top", fontsize=FONT)
            if x:
                _arrow(ax, (x - 0.62, y), (x - 0.38, y), shrink=0)
            if each.holds == "pyramid":
                _pyramid(ax, x, y)
                continue
            box = plt.Rectangle((x - 0.2, y - height / 2), 0.4, height, facecolor=_HOLDS[each.holds], edgecolor="0.25")
            ax.add_patch(box)
        for start, end, bend in _SKIPS.get(title, ()):
            top = y - _HEIGHTS[maps[start].stride] / 2
            _arrow(ax, (start, top), (end, top), linestyle="--", shrink=2, bend=-bend)
    ax.set(xlim=(-0.6, 9.7), ylim=(1.75 * len(_STEPS) - 0.85, -0.95))
    ax.set_axis_off()
    names = {"image": "image", "features": "features", "average": "their average", "classes": "one channel per class"}
    patches = [Patch(facecolor=_HOLDS[holds], edgecolor="0.25", label=name) for holds, name in names.items()]
    ax.legend(handles=patches, fontsize=FONT, loc="upper right", frameon=False)
    return ax


def _pyramid(ax: Axes, x: float, y: float) -> None:
    """Draw the grids of regions whose averages the pyramid computes."""
    side = 0.3
    for number, bins in enumerate(_BINS):
        left, top = x - 0.33 + 0.36 * (number % 2), y - 0.36 + 0.4 * (number // 2)
        for i in range(bins * bins):
            corner = (left + side * (i % bins) / bins, top + side * (i // bins) / bins)
            style = {"facecolor": _HOLDS["average"], "edgecolor": "0.25", "linewidth": 0.7}
            ax.add_patch(plt.Rectangle(corner, side / bins, side / bins, **style))


def fastscnn(cost, ax: Axes | None = None) -> Axes:
    """Draw Fast-SCNN from left to right, each part at the resolution of its output.

    `cost` is the counted network, `helpers.models.cost(net, size_hw)`, pruned or not. A box names its share of the
    multiply-accumulates, which is also its colour, and above it its output channels. The names of the paper's modules
    stand on top, each with the sum of its shares. Raises CourseError for the cost of another network.
    """
    ax = new_axes(ax, (9.5, 4.6))
    parts = [(module, kind, *_part(cost, prefix)) for module, kinds in _FASTSCNN.items() for prefix, kind in kinds]
    most = max(share for _, _, share, _, _ in parts)
    at = [(column, row) for column, (*_, row) in enumerate(parts, start=1)]
    for (x, y), (_, kind, share, channels, _) in zip(at, parts, strict=True):
        _box(ax, (x, y), share, share / most, channels)
        ax.text(x, y + 0.33, kind, ha="center", va="top", fontsize=FONT, color="0.25", zorder=4)
    for module in _FASTSCNN:
        columns = [column for column, part in enumerate(parts, start=1) if part[0] == module]
        share = sum(part[2] for part in parts if part[0] == module)
        _module(ax, columns[0], columns[-1], f"{module}\n{share:.0%}")
    last = len(at) + 1
    for column, name in ((0, "image"), (last, "logits")):
        ax.text(column, 0, name, ha="center", va="center", fontsize=FONT + 1)
    path = [(0, 0), *at, (last, 0)]
    for start, end in zip(path[:-1], path[1:], strict=True):
        _arrow(ax, start, end)
        if end[1] < start[1]:
            ax.text(end[0] - 0.33, (start[1] + end[1]) / 2, "enlarge", va="top", fontsize=FONT, zorder=4)
    detailed, fused = at[2], at[-2]
    _arrow(ax, detailed, fused, linestyle="--")
    ax.text((detailed[0] + fused[0]) / 2, detailed[1] - 0.12, "details skip the small maps", ha="center", fontsize=FONT)
    _resolutions(ax, last, max(row for _, row in at))
    return ax


def structure(
    branches: Sequence, ax: Axes | None = None, title: str | None = None, total_macs: int | None = None
) -> Axes:
    """Draw a network as a grid of boxes: stages from left to right, resolutions from high (top) to low.

    `branches` are objects with `stage`, `stride`, `channels` and `macs` (`helpers.models.branches`). Colour and
    percentage of a box are its share of `total_macs` (default: the sum of all); the number above is its channels.
    Solid lines lead to the next stage, dashed lines skip stages without this resolution.
    """
    ax = new_axes(ax, (9, 3.4))
    total = total_macs or sum(branch.macs for branch in branches)
    strides = sorted({branch.stride for branch in branches})
    stages = sorted({branch.stage for branch in branches})
    place = {(b.stage, b.stride): (stages.index(b.stage), strides.index(b.stride)) for b in branches}
    _connect(ax, place, stages, strides)
    most = max(branch.macs for branch in branches)
    for branch in branches:
        _box(ax, place[branch.stage, branch.stride], branch.macs / total, branch.macs / most, branch.channels)
    ax.set(
        xlim=(-0.6, len(stages) - 0.4),
        ylim=(len(strides) - 0.5, -0.75),
        yticks=range(len(strides)),
        yticklabels=[f"1/{stride}" for stride in strides],
        xticks=range(len(stages)),
        xticklabels=["stem" if stage == 0 else f"stage {stage}" for stage in stages],
        ylabel="resolution",
    )
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    if title:
        ax.set_title(title, fontsize=10)
    return ax


def _connect(ax: Axes, place: Mapping, stages: Sequence[int], strides: Sequence[int]) -> None:
    for (stage, stride), (x, y) in place.items():
        later = [each for each in stages[stages.index(stage) + 1 :] if (each, stride) in place]
        if later and stages.index(later[0]) == x + 1:
            ax.plot([x, x + 1], [y, y], **_LINE)
        elif later:
            ax.plot([x, stages.index(later[0])], [y, y], linestyle="--", **_LINE)
        following = stages[x + 1] if x + 1 < len(stages) else None
        for other in strides:  # the next stage adds a neighbouring resolution
            if (following, other) in place and (stage, other) not in place and abs(strides.index(other) - y) == 1:
                ax.plot([x, x + 1], [y, strides.index(other)], **_LINE)


def _part(cost, prefix: str) -> tuple[float, int, int]:
    """Return the share of the work, the output channels and log2 of the output's stride of layers named `prefix`..."""
    layers = [layer for layer in cost.layers if layer.name.startswith(prefix)]
    if not layers:
        raise CourseError(f"Expected the cost of Fast-SCNN, got one without layers {prefix}*: count `fastscnn`.")
    stride = round(cost.padded_hw[0] / layers[-1].out_hw[0])
    return sum(layer.macs for layer in layers) / cost.macs, layers[-1].out_channels, stride.bit_length() - 1


def _box(ax: Axes, at: tuple[float, float], share: float, shade: float, channels: int) -> None:
    """Draw a box with its share of the work (0 to 1), coloured by `shade` (0 to 1), and its channels above it."""
    x, y = at
    colour = _WORK(0.05 + 0.55 * shade)
    ax.add_patch(plt.Rectangle((x - 0.36, y - 0.29), 0.72, 0.58, facecolor=colour, edgecolor="0.25", zorder=3))
    ax.text(x, y, f"{share:.0%}", ha="center", va="center", fontsize=FONT, zorder=4)
    ax.text(x, y - 0.31, str(channels), ha="center", va="bottom", fontsize=FONT, color="0.25", zorder=4)


def _module(ax: Axes, first: int, last: int, text: str) -> None:
    """Shade the columns of a module, with its name on top."""
    ax.axvspan(first - 0.47, last + 0.47, color="0.95", zorder=0)
    ax.text((first + last) / 2, 1.03, text, ha="center", va="bottom", fontsize=FONT, transform=ax.get_xaxis_transform())


def _arrow(ax: Axes, start: tuple, end: tuple, linestyle: str = "-", shrink: float = 22, bend: float = 0.0) -> None:
    """Draw an arrow that ends `shrink` points before its ends, and bends to one side."""
    style = {"arrowstyle": "->", "shrinkA": shrink, "shrinkB": shrink, "color": "0.35", "linestyle": linestyle}
    ax.annotate("", xy=end, xytext=start, arrowprops=style | {"connectionstyle": f"arc3,rad={bend}"}, zorder=2)


def _resolutions(ax: Axes, last: int, lowest: int) -> None:
    rows = range(lowest + 1)
    names = ["full", *(f"1/{2**row}" for row in rows[1:])]
    ax.set(xlim=(-0.6, last + 0.6), ylim=(lowest + 0.9, -0.6), xticks=[], yticks=rows, ylabel="resolution")
    ax.set_yticklabels(names, fontsize=FONT)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
