"""Predict image files of any size, and write train ids, colours and overlays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.datasets import Classes
from helpers.datasets.pictures import SUFFIXES, UNREADABLE, read_picture, write_picture
from helpers.evaluation.opening import PredictFn, Segmenter
from helpers.plotting.base import overlay

# The largest input of a network: one frame of Cityscapes, for which Fast-SCNN needs 1 GB.
TILE_HW = (1024, 2048)
MARGIN = 128  # pixels of context around a tile

KINDS: dict[str, Callable[[np.ndarray, np.ndarray, Classes, float], np.ndarray]] = {
    "trainIds": lambda image, labels, classes, opacity: labels,
    "color": lambda image, labels, classes, opacity: classes.colorize(labels),
    "overlay": overlay,
}


@dataclass(frozen=True)
class Written:
    """Result of `predict_files`: the written files of each image, and an error message for each unreadable one."""

    files: dict[Path, list[Path]]
    refused: dict[Path, str]


def pictures_in(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files in `paths`, with each folder replaced by the images in it and its subfolders.

    Raises CourseError if a path does not exist or a folder holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            # `read_picture` refuses UNREADABLE and says why, where skipping them would lose photos silently.
            images = [each for each in path.rglob("*") if each.suffix.lower() in (*SUFFIXES, *UNREADABLE)]
            inside = sorted(each for each in images if each.is_file() and not each.name.startswith("."))
            if not inside:
                raise CourseError(f"Found no image in {path}: expected files such as street.png or street.jpg.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise CourseError(f"There is no file {path}: give an image or a folder of images.")
    return list(dict.fromkeys(found))


def predict_files(
    predict: Segmenter | PredictFn,
    paths: Iterable[str | Path],
    folder: str | Path,
    classes: Classes | None = None,
    opacity: float = 0.5,
) -> Written:
    """Predict each image and write `<name>_trainIds.png`, `<name>_color.png` and `<name>_overlay.png` into `folder`.

    The results have the size of the image, and the colours of `classes`, by default those of the Segmenter `predict`.
    For a folder in `paths`, its subfolders are kept. Files that cannot be read are reported in `refused`.
    Raises CourseError if the classes are not known or not those of the network, two images have the same name, or
    `folder` is a file or lies in a folder of `paths`.
    """
    paths, folder = [Path(path) for path in paths], Path(folder)
    classes = _classes_of(predict, classes)
    if folder.exists() and not folder.is_dir():
        raise CourseError(f"Expected a folder for the results, got the file {folder}: choose another name.")
    targets: dict[Path, Path] = {}
    for given in paths:
        if given.is_dir() and folder.resolve().is_relative_to(given.resolve()):
            raise CourseError(f"{folder} lies in {given}, so results would be predicted, too: choose another folder.")
        for picture in pictures_in([given]):
            relative = picture.relative_to(given) if given.is_dir() else Path(picture.name)
            targets.setdefault(picture, folder / relative.with_suffix(""))
    if len({*targets.values()}) < len(targets):
        names = [target.name for target in targets.values()]
        double = next(name for name in names if names.count(name) > 1)
        raise CourseError(f"Two images are called {double}: rename one, or predict them into different folders.")
    written, refused = {}, {}
    for picture, target in progress(targets.items(), desc="predicting", unit="image"):
        try:
            image = read_picture(picture)
        except CourseError as error:
            refused[picture] = str(error)
            continue
        labels = predict_any_size(predict, image)
        written[picture] = [_write(target, kind, make(image, labels, classes, opacity)) for kind, make in KINDS.items()]
    return Written(written, refused)


def _classes_of(predict: Segmenter | PredictFn, classes: Classes | None) -> Classes:
    classes = getattr(predict, "classes", None) if classes is None else classes
    if classes is None:
        raise CourseError(
            "The names and colours of the network's classes are not known: pass `classes`, or the folder of the data "
            "that it was trained on (--data)."
        )
    if getattr(predict, "num_classes", None) not in (None, len(classes)):
        raise CourseError(
            f"Expected a network for {len(classes)} classes, got one for {predict.num_classes}: pass the classes that "
            "it was trained on."
        )
    return classes


def _write(target: Path, kind: str, pixels: np.ndarray) -> Path:
    path = target.with_name(f"{target.name}_{kind}.png")
    write_picture(path, pixels)
    return path


def predict_any_size(
    predict: PredictFn,
    image: np.ndarray,
    tile_hw: tuple[int, int] = TILE_HW,
    margin: int = MARGIN,
) -> np.ndarray:
    """Return train ids uint8 (H, W) of a uint8 RGB image (H, W, 3); predict a large image tile by tile.

    Up to the area of `tile_hw`, the image is predicted at once. A larger image is cut into tiles, each predicted with
    `margin` pixels of its neighbours, at most `tile_hw` pixels together. Labels near the border of a tile may differ
    from those of the image predicted at once, which could exceed the memory.
    """
    height, width = image.shape[:2]
    if height * width <= tile_hw[0] * tile_hw[1]:
        return predict(image)
    labels = np.empty((height, width), dtype=np.uint8)
    parts = [(y, x) for y in _parts(height, tile_hw[0], margin) for x in _parts(width, tile_hw[1], margin)]
    for (top, bottom), (left, right) in progress(parts, desc=f"{width} x {height} pixels", unit="tile"):
        up, to_left = max(0, top - margin), max(0, left - margin)
        tile = predict(np.ascontiguousarray(image[up : bottom + margin, to_left : right + margin]))
        labels[top:bottom, left:right] = tile[top - up : bottom - up, left - to_left : right - to_left]
    return labels


def _parts(length: int, tile: int, margin: int) -> list[tuple[int, int]]:
    """Split `length` pixels into equal parts that fit into a tile with a margin on both sides."""
    if length <= tile:
        return [(0, length)]
    count = ceil(length / (tile - 2 * margin))
    edges = [round(i * length / count) for i in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))
