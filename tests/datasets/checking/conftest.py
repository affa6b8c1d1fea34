"""The sound data sets of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_leaves import CLASSES, COUNTS, Set, draw

from helpers.datasets import Dataset
from helpers.miniscapes import generate


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


@pytest.fixture(scope="session")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MiniScapes."""
    folder = tmp_path_factory.mktemp("streets") / "mini"
    return generate(folder, train=6, val=3, test=1, size_hw=(128, 256), workers=1)
