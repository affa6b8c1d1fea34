"""Predict pictures of one's own: raw ids, colour map and overlay beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.cityscapes import colorize
from helpers.errors import CourseError
from helpers.evaluation.large import predict_any_size
from helpers.evaluation.networks import PredictFn
from helpers.evaluation.pictures import SUFFIXES, read_picture, write_picture
from helpers.plotting.base import overlay
from helpers.progress import progress

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
