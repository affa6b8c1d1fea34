"""Draw a contact sheet: frames with their labels in colour, those with findings first and marked."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from helpers.common.errors import CourseError
from helpers.datasets.checking.findings import Finding
from helpers.datasets.classes import IGNORE
from helpers.datasets.dataset import SPLITS, Dataset, Frame
from helpers.datasets.frames import read_image, read_values

UNKNOWN = (255, 0, 255)  # colour of values that are not classes
_COLUMNS, _PANEL = 3, 3.2  # inches; text of 9 points is legible at half this width
_LONG_SIDE = 480  # pixels of a panel; larger images are scaled down
_MARK = {"error": "#c00000", "warning": "#d07000", "note": "#3060a0"}
_OPACITY = 0.55
_LEGEND = 40  # classes; more would need more room than the images


class Sheet(Figure):
    """A figure that notebooks show as the value of a cell; others need matplotlib.pyplot for that."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def draw_sheet(dataset: Dataset, findings: Sequence[Finding], frames: int = 12) -> Figure:
    """Return a figure of up to `frames` frames; a third of them have no findings, for comparison, if there are any.

    Raise CourseError if `frames` is less than 1.
    """
    if frames < 1:
        raise CourseError(f"Expected at least one frame for the sheet, got {frames}: choose a number from 1.")
    chosen = _choose(dataset, findings, frames)
    rows = max(1, -(-len(chosen) // _COLUMNS))
    columns = max(1, min(_COLUMNS, len(chosen)))
    images = [_panel(frame) for frame, _ in chosen]
    aspect = max((image.shape[0] / image.shape[1] for image in images), default=0.5)
    height = rows * (_PANEL * min(aspect, 1.5) + 0.55)
    legend = _legend(dataset)
    figure = Sheet((_COLUMNS * _PANEL, height + 1.0 + 0.24 * -(-len(legend) // 6)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, _COLUMNS if rows > 1 else columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, image, (frame, found) in zip(axes, images, chosen, strict=False):
        _draw(ax, image, frame, found)
    count = f"{len(findings)} finding{'s' * (len(findings) != 1)}" if findings else "no findings"
    figure.suptitle(f"{dataset.name}: {count}", parse_math=False)
    figure.legend(handles=legend, loc="outside lower center", ncols=6, fontsize=9, frameon=False)
    with warnings.catch_warnings():  # names in scripts that the font lacks are drawn as boxes
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.draw_without_rendering()
    return figure


def _choose(dataset: Dataset, findings: Sequence[Finding], most: int) -> list[tuple[Frame, list[Finding]]]:
    """Return at most `most` frames with their findings: one for each kind, further ones, then frames without any."""
    frames = [frame for split in SPLITS for frame in dataset.list_frames(split)]
    owner = {path: index for index, frame in enumerate(frames) for path in (frame.image, frame.label)}
    found: dict[int, list[Finding]] = {}
    order: list[tuple[int, int]] = []  # how often the kind came before, frame
    seen: Counter[str] = Counter()
    for each in findings:
        if each.path is not None and each.path.is_dir():  # a mistake in all labels
            concerned = [index for index, frame in enumerate(frames) if frame.label.is_file()]
        else:
            concerned = [owner[path] for path in (each.path, each.other) if path in owner]
        for index in concerned:
            found.setdefault(index, []).append(each)
            order.append((seen[each.kind], index))
        seen[each.kind] += 1
    faulty = list(dict.fromkeys(index for _, index in sorted(order, key=lambda item: item[0])))
    sound = [index for index in range(len(frames)) if index not in found]
    kept = faulty[: max(most - len(sound), -(-most * 2 // 3))]
    others = np.linspace(0, len(sound) - 1, min(len(sound), most - len(kept))).astype(int) if sound else []
    return [(frames[index], found.get(index, [])) for index in [*kept, *(sound[at] for at in others)]]


def _panel(frame: Frame) -> np.ndarray:
    """Return the image with the label in colour, uint8 (H, W, 3); grey where the image cannot be read."""
    try:
        image = _shrink(read_image(frame), cv2.INTER_AREA)
    except (CourseError, OSError, cv2.error):
        image = None
    try:
        values = _shrink(read_values(frame), cv2.INTER_NEAREST)
    except (CourseError, OSError, cv2.error):
        return np.full((240, 320, 3), 225, dtype=np.uint8) if image is None else image
    classes = frame.dataset.classes
    colours = classes.colorize(classes.lookup[values])
    unknown = ~classes.valid[values]
    y, x = np.ogrid[: values.shape[0], : values.shape[1]]
    colours[unknown] = np.where(((y // 4 + x // 4) % 2 == 0)[..., None], UNKNOWN, 0)[unknown]  # a class may be magenta
    opacity = np.where(unknown, 1.0, np.where(classes.lookup[values] == IGNORE, 0.0, _OPACITY))[..., None]
    if image is None:
        return colours
    if image.shape[:2] != values.shape:  # both at once would suggest that they fit
        colours = cv2.resize(colours, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return np.concatenate([image[:, : image.shape[1] // 2], colours[:, image.shape[1] // 2 :]], axis=1)
    return (image * (1 - opacity) + colours * opacity).astype(np.uint8)


def _shrink(pixels: np.ndarray, interpolation: int) -> np.ndarray:
    factor = _LONG_SIDE / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    width, height = (max(1, round(side * factor)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, (width, height), interpolation=interpolation)


def _draw(ax, image: np.ndarray, frame: Frame, found: list[Finding]) -> None:
    ax.imshow(image, interpolation="nearest" if max(image.shape) < 100 else "antialiased")
    name = f"{frame.split}/{frame.group}/{frame.stem}".replace("//", "/")
    name = name if len(name) <= 38 else f"{name[:12]}...{name[-23:]}"
    kinds = ", ".join(dict.fromkeys(each.kind for each in found))
    colour = _MARK[found[0].severity] if found else "black"
    ax.set_title("\n".join([name, *textwrap.wrap(kinds, 40)[:2]]), fontsize=9, color=colour, parse_math=False)
    if found:
        ax.set_axis_on()
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set(edgecolor=colour, linewidth=3)


def _legend(dataset: Dataset) -> list[Patch]:
    names, palette = dataset.classes.names, dataset.classes.palette / 255
    patches = [
        Patch(facecolor=colour, edgecolor="0.4", linewidth=0.5, label=textwrap.shorten(name, 22, placeholder="..."))
        for name, colour in zip(names[:_LEGEND], palette[:_LEGEND], strict=True)
    ]
    patches.append(Patch(facecolor="white", edgecolor="0.4", linewidth=0.5, label="ignored: no colour"))
    patches.append(Patch(facecolor=np.array(UNKNOWN) / 255, edgecolor="black", hatch="xxx", label="not a class"))
    return patches
