"""Paint polygons so that image and annotation agree on every pixel.

Each labelled object is a polygon with integer coordinates in the final frame. `paint` fills the same pixels as the
official converters (both use Pillow's polygon rule), so image and label edges coincide; the brush determines the
appearance inside. Frames up to 1024 wide are painted at twice the size and averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from helpers.miniscapes.camera import REFERENCE_WIDTH, cut_to_frame

# Called with a layer, uint8 (h, w, 3), to paint in place, and a function from reference to layer pixels, both (N, 2).
Brush = Callable[[np.ndarray, Callable[[np.ndarray], np.ndarray]], None]


@dataclass
class Thing:
    """An annotated polygon of a scene, before drawing.

    label: a Cityscapes label name. polygon: reference pixels, float (N, 2). brush: paints it; None for annotation only.
    z: distance in metres, for sorting.
    """

    label: str
    polygon: np.ndarray
    brush: Brush | None
    z: float = 0.0


class Canvas:
    """A frame being painted. image: uint8 (H*ss, W*ss, 3) RGB; index: int32 (H, W), visible object or -1."""

    def __init__(self, size_hw: tuple[int, int]):
        self.height, self.width = size_hw
        self.ss = 2 if self.width <= 1024 else 1
        self.scale = self.width / REFERENCE_WIDTH
        self.image = np.zeros((self.height * self.ss, self.width * self.ss, 3), np.uint8)
        self.index = np.full(size_hw, -1, np.int32)
        self.objects: list[dict] = []

    def pixels(self, polygon: np.ndarray) -> list[tuple[int, int]]:
        """Convert reference pixels to an integer polygon of this frame, empty if it lies outside."""
        inside = cut_to_frame(polygon * self.scale, self.width, self.height)
        whole = np.clip(np.floor(inside).astype(int), 0, [self.width - 1, self.height - 1])
        keep = np.ones(len(whole), bool)
        keep[1:] = (whole[1:] != whole[:-1]).any(1)
        return [(int(x), int(y)) for x, y in whole[keep]]

    def paint(self, thing: Thing) -> None:
        """Paint one object over the current image and record its polygon."""
        points = self.pixels(thing.polygon)
        if not points:
            return
        if len(points) < 3:  # a far pole may be one pixel wide; Pillow needs three corners
            points = points + [points[-1]] * (3 - len(points))
        self.objects.append({"label": thing.label, "polygon": [list(p) for p in points]})
        if thing.brush is None:
            return
        xs, ys = zip(*points, strict=True)
        x0, y0, x1, y1 = min(xs), min(ys), max(xs) + 1, max(ys) + 1
        stamp = Image.new("L", (x1 - x0, y1 - y0))
        ImageDraw.Draw(stamp).polygon([(x - x0, y - y0) for x, y in points], fill=255)
        mask = np.array(stamp)
        self.index[y0:y1, x0:x1][mask > 0] = len(self.objects) - 1
        s = self.ss
        target = self.image[y0 * s:y1 * s, x0 * s:x1 * s]
        layer = target.copy()
        origin = np.array([x0, y0]) * s
        factor = self.scale * s
        thing.brush(layer, lambda p: np.asarray(p, np.float64) * factor - origin)
        big = mask if s == 1 else cv2.resize(mask, None, fx=s, fy=s, interpolation=cv2.INTER_NEAREST)
        target[:] = cv2.copyTo(layer, big, target.copy())

    def flat(self) -> np.ndarray:
        """Return the image at the final size, uint8 (H, W, 3)."""
        if self.ss == 1:
            return self.image
        return cv2.resize(self.image, (self.width, self.height), interpolation=cv2.INTER_AREA)
