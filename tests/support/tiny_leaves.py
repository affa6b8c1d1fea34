"""A small sound data set, in which each test plants one mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from helpers.datasets import Classes, Dataset, Frame
from helpers.datasets.checking import Report, check

CLASSES = Classes(names=("soil", "leaf", "spot"), colours=((110, 80, 50), (60, 160, 60), (230, 60, 40)))
SIZE_HW = (48, 64)
COUNTS = {"train": ("north", 4), "val": ("south", 3), "test": ("east", 2)}


def draw(seed: int, size_hw: tuple[int, int] = SIZE_HW) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (H, W, 3) of a leaf with a spot on soil, and its label (H, W)."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    label = np.zeros(size_hw, dtype=np.uint8)
    centre = (int(rng.integers(width // 4, 3 * width // 4)), int(rng.integers(height // 4, 3 * height // 4)))
    axes = (int(rng.integers(width // 8, width // 4)), int(rng.integers(height // 8, height // 4)))
    cv2.ellipse(label, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    cv2.circle(label, centre, max(2, min(axes) // 2), 2, -1)
    texture = cv2.resize(rng.uniform(-60, 60, (6, 8, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    image = CLASSES.palette[label] + texture + rng.normal(0, 6, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8), label


@dataclass
class Set:
    """The data set on disk, with shortcuts for tests."""

    dataset: Dataset

    @property
    def root(self) -> Path:
        return self.dataset.root

    def frame(self, split: str, position: int = 0) -> Frame:
        return self.dataset.list_frames(split)[position]

    def labelled(self) -> list[Frame]:
        return [frame for split in ("train", "val") for frame in self.dataset.list_frames(split)]

    def write(self, frame: Frame, image: np.ndarray | None = None, label: np.ndarray | None = None) -> None:
        for path, pixels in ((frame.image, image), (frame.label, label)):
            if pixels is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)

    def new_frame(self, split: str, group: str, stem: str) -> Frame:
        return Frame(self.dataset, split, group, stem, self.root / "images" / split / group / f"{stem}.png")

    def relabel(self, change: Callable[[np.ndarray], np.ndarray], frames: list[Frame] | None = None) -> None:
        """Write the labels again after `change`, an array (H, W) in and out."""
        for frame in frames or self.labelled():
            self.write(frame, label=change(np.asarray(Image.open(frame.label))).astype(np.uint8))

    def describe(self, **changes) -> None:
        """Write dataset.toml with other classes: `values`, `ignored` or the like."""
        self.dataset = replace(self.dataset, classes=replace(self.dataset.classes, **changes))
        self.dataset.save()

    def check(self) -> Report:
        return check(self.root, workers=1)

    def kinds(self) -> dict[str, int]:
        """Return how many findings of each kind `check` reports."""
        return dict(Counter(each.kind for each in self.check().findings))
