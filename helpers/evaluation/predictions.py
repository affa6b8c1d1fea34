"""Predict pictures of one's own, of any size: train ids, colour map and overlay beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np

from helpers.cityscapes import colorize
from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.evaluation.opening import PredictFn
from helpers.evaluation.pictures import SUFFIXES, read_picture, write_picture
from helpers.plotting.base import overlay

# A frame of Cityscapes at most goes through a network at once; Fast-SCNN takes 1 GB for it.
TILE_HW = (1024, 2048)
MARGIN = 128  # pixels that a tile sees beyond those it decides

KINDS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "trainIds": lambda image, labels, opacity: labels,
    "color": lambda image, labels, opacity: colorize(labels),
    "overlay": overlay,
}


@dataclass(frozen=True)
class Written:
    """What `predict_files` made: the files by picture, and a sentence for each picture that could not be read."""

    files: dict[Path, list[Path]]
    refused: dict[Path, str]


def pictures_in(paths: Iterable[str | Path]) -> list[Path]:
    """The files `paths`, and for a folder the pictures in it and below. Raises CourseError when there is none."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
            if not inside:
                raise CourseError(f"There is no picture in {path}: expected files such as street.png or street.jpg.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise CourseError(f"There is no file {path}: give a picture or a folder of pictures.")
    return list(dict.fromkeys(found))


def predict_files(predict: PredictFn, paths: Iterable[str | Path], folder: str | Path, opacity: float = 0.5) -> Written:
    """Predict each picture and write `<name>_trainIds.png`, `<name>_color.png` and `<name>_overlay.png` into `folder`.

    All have the size of the picture. Pictures below a given folder keep their place below `folder`. A file that is no
    picture is told in `refused`, and the others are predicted. Raises CourseError when two would have one name.
    """
    paths, folder = [Path(path) for path in paths], Path(folder)
    targets: dict[Path, Path] = {}
    for given in paths:
        if given.is_dir() and folder.resolve().is_relative_to(given.resolve()):
            raise CourseError(f"{folder} is in {given}, so the results would be predicted, too: choose another folder.")
        for picture in pictures_in([given]):
            place = picture.relative_to(given) if given.is_dir() else Path(picture.name)
            targets.setdefault(picture, folder / place.with_suffix(""))
    if len({*targets.values()}) < len(targets):
        names = [target.name for target in targets.values()]
        double = next(name for name in names if names.count(name) > 1)
        raise CourseError(f"Two pictures are called {double}: rename one, or predict them into different folders.")
    written, refused = {}, {}
    for picture, target in progress(targets.items(), desc="predicting", unit="picture"):
        try:
            image = read_picture(picture)
        except CourseError as error:
            refused[picture] = str(error)
            continue
        labels = predict_any_size(predict, image)
        written[picture] = [_write(target, kind, make(image, labels, opacity)) for kind, make in KINDS.items()]
    return Written(written, refused)


def _write(target: Path, kind: str, pixels: np.ndarray) -> Path:
    path = target.with_name(f"{target.name}_{kind}.png")
    write_picture(path, pixels)
    return path


def predict_any_size(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    tile_hw: tuple[int, int] = TILE_HW,
    margin: int = MARGIN,
) -> np.ndarray:
    """Train ids uint8 (H, W) of uint8 RGB `image` (H, W, 3); what is larger than a tile is predicted tile by tile.

    Up to the area of one tile the image is given whole, and the labels are those of `predict`. Beyond that, each tile
    has at most `tile_hw` pixels, sees `margin` pixels of its neighbours and decides the others, so labels near a seam
    may differ from those of the whole image, whose memory no machine may have.
    """
    height, width = image.shape[:2]
    if height * width <= tile_hw[0] * tile_hw[1]:
        return predict(image)
    labels = np.empty((height, width), dtype=np.uint8)
    parts = [(y, x) for y in _parts(height, tile_hw[0], margin) for x in _parts(width, tile_hw[1], margin)]
    for (top, bottom), (left, right) in progress(parts, desc=f"{width} x {height} pixels", unit="tile"):
        up, to_left = max(0, top - margin), max(0, left - margin)
        seen = predict(np.ascontiguousarray(image[up : bottom + margin, to_left : right + margin]))
        labels[top:bottom, left:right] = seen[top - up : bottom - up, left - to_left : right - to_left]
    return labels


def _parts(length: int, tile: int, margin: int) -> list[tuple[int, int]]:
    """Equal parts of `length` pixels that fit into a tile together with a margin on both sides."""
    if length <= tile:
        return [(0, length)]
    count = ceil(length / (tile - 2 * margin))
    edges = [round(i * length / count) for i in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))
