"""Write images and their masks, and read the labels of an imported data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from helpers.datasets import Dataset, read_label

GREY = np.array([[0, 0, 1], [2, 1, 255]], dtype=np.uint8)


COLOURS = np.array([[128, 128, 128], [128, 64, 128], [64, 0, 128], [0, 0, 0]], dtype=np.uint8)  # sky, road, car, void


def image(path: Path, size=(3, 2), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 200, 30)).save(path, **options)


def mask(path: Path, pixels: np.ndarray = GREY, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def paletted(path: Path, indices: np.ndarray, palette: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    picture.putpalette(palette.astype(np.uint8).ravel().tolist())
    picture.save(path)


def labels(data: Dataset) -> dict[str, list]:
    frames = [frame for split in data.existing_splits() for frame in data.frames(split)]
    return {frame.stem: read_label(frame).tolist() for frame in frames}
