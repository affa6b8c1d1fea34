"""A data set of three classes, whose frames have several sizes that no network's stride divides."""

from pathlib import Path

import numpy as np
from PIL import Image

from helpers.datasets import IGNORE, Classes, Dataset

THREE = Classes(("soil", "leaf spot", "Öl"), ((110, 80, 50), (60, 160, 60), (230, 60, 40)))
SIZES = ((90, 120), (45, 61), (33, 97))


def write_three(root: Path, sizes=SIZES) -> Dataset:
    """Write a frame of each size into the split val, with its description, and return the data set."""
    data = Dataset(root, "Leaves", THREE, "images/{split}/{stem}.png", "labels/{split}/{stem}.png")
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate(sizes):
        label = rng.integers(0, 3, (-(-height // 16), -(-width // 16)), np.uint8).repeat(16, 0).repeat(16, 1)
        label = label[:height, :width].copy()
        image = THREE.palette[label] // 2 + rng.integers(0, 120, (height, width, 3), np.uint8)
        label[:3] = IGNORE
        for kind, pixels in (("images", image), ("labels", label)):
            path = root / kind / "val" / f"leaf{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    data.save()
    return data
