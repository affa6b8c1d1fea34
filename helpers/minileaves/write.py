"""Write the data set as LabelMe does: a JSON file with polygons next to each image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path, read_json, write_json
from helpers.datasets.pictures import write_picture
from helpers.minileaves import mistakes
from helpers.minileaves.draw import Outline, new_plant, photograph

VERSION = 1  # of the generator: increase it when the same arguments yield other bytes
MARKER = ".minileaves.json"  # hidden, so that it is not taken for an annotation
SMALLEST = 7  # plants and photographs of each, so that every planted mistake has its photograph


def generate(
    root: str | Path,
    *,
    plants: int = 12,
    photographs: int = 7,
    size_hw: tuple[int, int] = (240, 320),
    seed: int = 0,
    with_mistakes: bool = True,
) -> Path:
    """Generate MiniLeaves in `root`, unless `root` already contains it, and return `root`.

    Each plant has a folder `plant_00` of images `00.png` and annotations `00.json`. Raise CourseError if an argument is
    invalid or `root` contains anything else.

    Parameters
    ----------
    root : path
        Target folder; missing parents are created.
    plants, photographs : int, default 12 and 7
        Number of plants, and of photographs of each, at least 7.
    size_hw : tuple of int, default (240, 320)
        Height and width in pixels.
    seed : int, default 0
        The same seed yields the same bytes.
    with_mistakes : bool, default True
        Plant MISTAKES.
    """
    root = Path(root)
    if min(plants, photographs) < SMALLEST or min(size_hw) < 64:
        raise CourseError(
            f"MiniLeaves needs at least {SMALLEST} plants with {SMALLEST} photographs of 64 x 64 pixels each, got "
            f"{plants}, {photographs} and {size_hw}."
        )
    spec = {
        "kind": "MiniLeaves",
        "version": VERSION,
        "plants": plants,
        "photographs": photographs,
        "size_hw": list(size_hw),
        "seed": seed,
        "with_mistakes": with_mistakes,
    }
    if (root / MARKER).is_file() and read_json(root / MARKER) == spec:
        return root
    if root.exists():
        raise CourseError(f"{root} exists and is not this MiniLeaves data set: choose a new folder, or delete it.")
    with atomic_path(root) as folder:
        for number in range(plants):
            rng = np.random.default_rng((seed, number))
            plant = new_plant(rng)
            for shot in range(photographs):
                _write(folder / f"plant_{number:02d}" / f"{shot:02d}.png", *photograph(plant, size_hw, rng))
        if with_mistakes:
            mistakes.plant(folder)
        write_json(folder / MARKER, spec)
    return root


def _write(path: Path, image: np.ndarray, outlines: list[Outline]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, image)
    content = {
        "version": "5.4.1",  # of LabelMe's format
        "flags": {},
        "shapes": [
            {
                "label": each.label,
                # LabelMe keeps corners inside the image.
                "points": np.clip(each.points, 0, (image.shape[1] - 1, image.shape[0] - 1)).round(2).tolist(),
                "group_id": None,
                "shape_type": "polygon",
                "flags": {},
            }
            for each in outlines
        ],
        "imagePath": path.name,
        "imageData": None,
        "imageHeight": image.shape[0],
        "imageWidth": image.shape[1],
    }
    path.with_suffix(".json").write_text(json.dumps(content, indent=1), encoding="utf-8")
