"""Draw polygons and other shapes into a label, as LabelMe's own converter does."""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from helpers.datasets.importing.items import Unusable

LINE_WIDTH = 10  # pixels of a line, as in LabelMe's converter
FARTHEST = 1e6  # pixels; a coordinate beyond is a mistake, and Pillow computes in int32
_FEWEST = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2, "mask": 1}


class Canvas:
    """A label under construction: later shapes lie on top. `notes` says what was left out or clipped."""

    def __init__(self, height: int, width: int):
        self.pixels = np.zeros((height, width), dtype=np.uint16)
        self._notes: Counter[str] = Counter()

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{text}: {count}" for text, count in sorted(self._notes.items()))

    def note(self, text: str) -> None:
        """Count a remark, such as "polygons of fewer than 3 points, left out"."""
        self._notes[text] += 1

    def add(self, kind: str, points: Any, position: int, mask: Any = None) -> None:
        """Draw a shape of a LabelMe `shape_type` with `position`, a number that stands for its class."""
        if kind not in _FEWEST:
            self.note(f"shapes of the type {kind}, which have no area, left out")
            return
        points = as_points(points)
        if points is None:
            self.note(f"{kind} shapes whose points are not pairs of numbers, left out")
            return
        if len(points) < _FEWEST[kind]:
            self.note(f"{kind} shapes of fewer than {_FEWEST[kind]} points, left out")
            return
        if kind == "mask":
            self._paste(points, position, mask)
            return
        if kind == "circle":
            (x, y), (edge_x, edge_y) = points[:2]
            radius = math.hypot(edge_x - x, edge_y - y)
            box = [(x - radius, y - radius), (x + radius, y + radius)]
        elif kind == "rectangle":
            xs, ys = zip(*points, strict=True)
            box = [(min(xs), min(ys)), (max(xs), max(ys))]
        else:
            box = points
        if not self._inside(kind, box):
            return
        drawing = Image.new("1", self.pixels.shape[::-1], 0)
        draw = ImageDraw.Draw(drawing)
        if kind == "circle":
            draw.ellipse(box, outline=1, fill=1)
        elif kind == "rectangle":
            draw.rectangle(box, outline=1, fill=1)
        elif kind == "polygon":
            draw.polygon(points, outline=1, fill=1)
        else:
            draw.line(points, fill=1, width=LINE_WIDTH)
        self.pixels[np.asarray(drawing)] = position

    def _inside(self, kind: str, points: Sequence[tuple[float, float]]) -> bool:
        height, width = self.pixels.shape
        xs, ys = zip(*points, strict=True)
        if max(xs) < -1 or max(ys) < -1 or min(xs) > width + 1 or min(ys) > height + 1:
            self.note(f"{kind} shapes outside the image, left out")
            return False
        if max(map(abs, (*xs, *ys))) > FARTHEST:
            self.note(f"{kind} shapes with points millions of pixels away, left out")
            return False
        if min(xs) < -1 or min(ys) < -1 or max(xs) > width + 1 or max(ys) > height + 1:
            self.note(f"{kind} shapes reach over the edge of the image, clipped")
        return True

    def _paste(self, points: Sequence[tuple[float, float]], position: int, mask: Any) -> None:
        """Draw a PNG in base64 whose upper left corner is the first point, as LabelMe 5.3 and later write it."""
        try:
            with Image.open(io.BytesIO(base64.b64decode(mask, validate=True)), formats=["PNG"]) as picture:
                if picture.width > self.pixels.shape[1] + 1 or picture.height > self.pixels.shape[0] + 1:
                    raise ValueError("larger than the image")
                inside = np.asarray(picture.convert("L")) > 0
        except (TypeError, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
            self.note("mask shapes that are not a PNG of at most the size of the image, left out")
            return
        x, y = (round(min(max(value, -FARTHEST), FARTHEST)) for value in points[0])
        height, width = self.pixels.shape
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + inside.shape[0], height), min(x + inside.shape[1], width)
        if bottom <= top or right <= left:
            self.note("mask shapes outside the image, left out")
            return
        self.pixels[top:bottom, left:right][inside[top - y : bottom - y, left - x : right - x]] = position


def as_points(value: Any) -> list[tuple[float, float]] | None:
    """Return pairs of finite numbers, or None if `value` is something else."""
    try:
        points = [(float(x), float(y)) for x, y in value]
    except (TypeError, ValueError, OverflowError):
        return None
    return points if all(math.isfinite(each) for point in points for each in point) else None


def check_size(stated: tuple[Any, Any], height: int, width: int) -> None:
    """Raise Unusable if an annotation states another (height, width) than its image has; None states nothing."""
    if None not in stated and tuple(stated) != (height, width):
        raise Unusable(
            f"was drawn on an image of {stated[1]} x {stated[0]} pixels, but the image has {width} x {height}: "
            "take the image that was annotated"
        )
