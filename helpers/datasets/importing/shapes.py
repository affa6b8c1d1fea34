"""Draw regions into a label, and count what is left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.datasets.importing.items import NOTHING, Drawn, Key, Unusable

Points = Sequence[tuple[float, float]]


class Canvas:
    """A label under construction: later regions lie on top."""

    def __init__(self, height: int, width: int, stated: tuple[Any, Any] = (None, None)):
        """Start with no region. Raise Unusable if the annotation states another (height, width), unless None."""
        if None not in stated and tuple(stated) != (height, width):
            raise Unusable(
                f"was drawn on an image of {stated[1]} x {stated[0]} pixels, but the image has {width} x {height}: "
                "take the image that was annotated"
            )
        self.height, self.width = height, width
        self._pixels = np.zeros((height, width), dtype=np.uint16)
        self._keys = {NOTHING: 0}
        self._notes: Counter[str] = Counter()

    def fill(self, key: Key, inside: np.ndarray) -> None:
        """Draw a region, bool (H, W)."""
        self._pixels[inside] = self._keys.setdefault(key, len(self._keys))

    def note(self, text: str) -> None:
        """Count a remark, such as "polygons of fewer than 3 points, left out"."""
        self._notes[text] += 1

    def points(self, what: str, value: Any, fewest: int) -> Points | None:
        """Return pairs of finite numbers; None, with a note about `what`, if `value` is something else."""
        try:
            points = [(float(x), float(y)) for x, y in value]
        except (TypeError, ValueError, OverflowError):
            points = [(math.nan, math.nan)]
        if not all(math.isfinite(each) for point in points for each in point):
            self.note(f"{what} whose points are not pairs of numbers, left out")
        elif len(points) < fewest:
            self.note(f"{what} of fewer than {fewest} points, left out")
        else:
            return points
        return None

    def reaches(self, what: str, outline: Points) -> bool:
        """Return whether an outline reaches the image and is no mistake, with a note if it is cut or left out."""
        xs, ys = zip(*outline, strict=True)
        if max(xs) < -1 or max(ys) < -1 or min(xs) > self.width + 1 or min(ys) > self.height + 1:
            self.note(f"{what} outside the image, left out")
            return False
        if max(map(abs, (*xs, *ys))) > 20 * (self.height + self.width):  # libraries compute in int32, or for ages
            self.note(f"{what} with points far outside the image, left out")
            return False
        if min(xs) < -1 or min(ys) < -1 or max(xs) > self.width + 1 or max(ys) > self.height + 1:
            self.note(f"{what} that reach over the edge of the image, clipped")
        return True

    def drawn(self) -> Drawn:
        """Return the label."""
        notes = tuple(f"{text}: {count}" for text, count in sorted(self._notes.items()))
        return Drawn(tuple(self._keys), self._pixels, notes)
