"""Small frames in the official Cityscapes layout for tests, converted by cityscapesScripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from cityscapesscripts.preparation.json2instanceImg import json2instanceImg
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from PIL import Image

CITIES = {"train": {"aachen": 3, "bochum": 2}, "val": {"lindau": 2}, "test": {"mainz": 1}}


def polygons(height: int, width: int, shift: int = 0) -> dict:
    """Return a street, back to front: sky, building, road, two cars, a plate, a group of people, a pole, the bonnet."""

    def box(label, left, top, right, bottom):
        return {
            "label": label,
            "polygon": [[left, top], [right, top], [right, bottom], [left, bottom]],
        }

    h, w = height, width
    return {
        "imgHeight": h,
        "imgWidth": w,
        "objects": [
            box("sky", 0, 0, w - 1, h // 2),
            box("building", 0, h // 4, w // 3, h // 2),
            box("road", 0, h // 2, w - 1, h - 1),
            box("car", w // 8 + shift, h // 2, w // 4 + shift, h // 2 + h // 8),
            box("car", w // 2 + shift, h // 2, w // 2 + w // 6 + shift, h // 2 + h // 6),
            box("license plate", w // 2 + 2, h // 2 + 1, w // 2 + 4, h // 2 + 2),
            box("persongroup", w - w // 8, h // 3, w - w // 16, h // 2),
            box("pole", w // 2, h // 8, w // 2 + 1, h // 2),
            box("ego vehicle", 0, h - h // 8, w - 1, h - 1),
        ],
    }


def write_frame(root: Path, split: str, city: str, stem: str, size_hw=(32, 64), shift: int = 0) -> None:
    """Write one frame as in the official archives: image, polygons, labelIds, instanceIds, color; no labelTrainIds.

    Parameters
    ----------
    root : Path
        Root of the data set.
    split, city, stem : str
        Split, city and stem of the frame.
    size_hw : tuple of int, default (32, 64)
        Height and width in pixels.
    shift : int, default 0
        Pixels by which the cars are moved to the right.
    """
    image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
    start = root / "gtFine" / split / city / f"{stem}_gtFine"
    image.parent.mkdir(parents=True, exist_ok=True)
    start.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(map(ord, stem)))
    Image.fromarray(rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)).save(image)
    source = Path(f"{start}_polygons.json")
    source.write_text(json.dumps(polygons(*size_hw, shift=shift)))
    json2labelImg(str(source), f"{start}_labelIds.png", "ids")
    json2labelImg(str(source), f"{start}_color.png", "color")
    json2instanceImg(str(source), f"{start}_instanceIds.png", "ids")


def write_set(root: Path, cities=CITIES, size_hw=(32, 64), train_ids: bool = True) -> Path:
    """Write the frames of `cities`, {split: {city: count}}, with labelTrainIds if `train_ids`, and return `root`."""
    for split, counts in cities.items():
        for city, count in counts.items():
            for number in range(count):
                stem = f"{city}_{number:06d}_000019"
                write_frame(root, split, city, stem, size_hw, shift=number)
                if train_ids and split != "test":
                    start = root / "gtFine" / split / city / f"{stem}_gtFine"
                    json2labelImg(f"{start}_polygons.json", f"{start}_labelTrainIds.png", "trainIds")
    return root
