"""The small sound data set of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_leaves import CLASSES, COUNTS, Set, draw

from helpers.datasets import Dataset


@pytest.fixture
def leaves(tmp_path: Path) -> Set:
    """A data set without a mistake: 4 frames of train, 3 of val, and 2 of test, which have no labels."""
    root = tmp_path / "leaves"
    dataset = Dataset(root, "Leaves", CLASSES, "images/{split}/{group}/{stem}.*", "labels/{split}/{group}/{stem}.png")
    made = Set(dataset)
    seed = 0
    for split, (group, count) in COUNTS.items():
        for position in range(count):
            image, label = draw(seed)
            frame = made.new_frame(split, group, f"shot_{position}")
            made.write(frame, image, None if split == "test" else label)
            seed += 1
    dataset.save()
    return made
