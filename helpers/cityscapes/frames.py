"""Find and read frames: images, labels and the paths of their annotations."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from helpers.cityscapes import png
from helpers.cityscapes.labels import NUM_CLASSES, TRAIN_IDS_ALLOWED
from helpers.common.errors import CourseError

SPLITS = ("train", "val", "test")
ANNOTATIONS = {
    "color": "color.png",
    "instanceIds": "instanceIds.png",
    "labelIds": "labelIds.png",
    "labelTrainIds": "labelTrainIds.png",
    "polygons": "polygons.json",
}
IMAGE_END = "_leftImg8bit.png"
UNFINISHED = ".prepare-unfinished"  # in the root while `prepare` runs: the data set is incomplete
_CREATE_LABELS = "run `python -m helpers.cityscapes prepare {root}` to create the missing labels"
_RESTORE = "unpack or download it again"


@dataclass(frozen=True)
class Frame:
    """One image and the paths of its annotations. `stem` is "<city>_<sequence>_<frame>"."""

    root: Path
    split: str
    city: str
    stem: str

    @property
    def image(self) -> Path:
        """Path of the camera image, an 8-bit RGB PNG."""
        return self.root / "leftImg8bit" / self.split / self.city / f"{self.stem}{IMAGE_END}"

    def annotation(self, kind: str) -> Path:
        """Path of the annotation `kind`: color, instanceIds, labelIds, labelTrainIds or polygons."""
        return self.root / "gtFine" / self.split / self.city / f"{self.stem}_gtFine_{ANNOTATIONS[kind]}"

    @property
    def label(self) -> Path:
        """Path of the train ids, an 8-bit grey PNG: 0 to 18, and 255 for ignored pixels."""
        return self.annotation("labelTrainIds")


def find_root(data_root: str | Path, default: Path) -> Path:
    """Return the root of the data set: `data_root` if given, else $CITYSCAPES_DATASET, else `default`.

    Raise CourseError if it does not exist, has another layout, or its preparation was interrupted.
    """
    root = Path(data_root or os.environ.get("CITYSCAPES_DATASET") or default).expanduser()
    check_layout(root)
    _check_finished(root)
    return root


def check_layout(root: Path) -> None:
    """Raise CourseError unless `root` is a folder that contains leftImg8bit/ and gtFine/."""
    if not root.is_dir():
        raise CourseError(
            f"No data at {root}: set DATA_ROOT or $CITYSCAPES_DATASET to the folder that contains leftImg8bit/ and "
            "gtFine/, or use the profile smoke or mini, which generates its own data."
        )
    missing = [name for name in ("leftImg8bit", "gtFine") if not (root / name).is_dir()]
    if missing:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
        raise CourseError(
            f"{root} does not have the Cityscapes layout: {' and '.join(missing)} missing, found {found}; "
            "pass the folder that contains leftImg8bit/ and gtFine/."
        )


def index(root: str | Path, split: str) -> list[Frame]:
    """Return the frames of `split`, sorted by city and stem; labels are matched by stem, never by position.

    The test split has no labels. Raise CourseError if the split is unknown or empty, a city folder is empty, two
    frames share a stem, or a train or val frame has no label.
    """
    root = Path(root)
    if split not in SPLITS:
        raise CourseError(f"Unknown split {split!r}: choose train, val or test.")
    _check_finished(root)
    frames = list_frames(root, split)
    if not frames:
        raise CourseError(
            f"No frames under {root / 'leftImg8bit' / split}: expected <city>/<stem>{IMAGE_END}; "
            "prepare leftImg8bit_trainvaltest.zip with `python -m helpers.cityscapes prepare`."
        )
    for city in empty_cities(root, split):
        raise CourseError(f"{city} is an empty city folder: unpack this city again or remove the folder.")
    for stem, count in Counter(frame.stem for frame in frames).items():
        if count > 1:
            cities = " and ".join(frame.city for frame in frames if frame.stem == stem)
            raise CourseError(f"The stem {stem} occurs in {cities} of {split}: rename one, stems must be unique.")
    if split != "test":
        unlabelled = [frame for frame in frames if not frame.label.is_file()]
        if unlabelled:
            raise CourseError(
                f"{unlabelled[0].image} has no label {unlabelled[0].label.name} "
                f"(missing for {len(unlabelled)} of {len(frames)} {split} frames; the official gtFine does not include "
                f"them): {_CREATE_LABELS.format(root=root)}."
            )
    return frames


def splits(root: str | Path) -> list[str]:
    """Return the splits that have frames in `root`; your own data may have no test split."""
    return [split for split in SPLITS if any((Path(root) / "leftImg8bit" / split).glob(f"*/*{IMAGE_END}"))]


def list_frames(root: Path, split: str) -> list[Frame]:
    """Return the frames of a split, sorted by city and stem, without checking them."""
    images = (root / "leftImg8bit" / split).glob(f"*/*{IMAGE_END}")
    named = sorted((path.parent.name, path.name.removesuffix(IMAGE_END)) for path in images)
    return [Frame(root, split, city, stem) for city, stem in named]


def empty_cities(root: Path, split: str) -> list[Path]:
    """Return the city folders of a split that contain no image."""
    folder = root / "leftImg8bit" / split
    cities = sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))
    return [city for city in cities if not any(city.glob(f"*{IMAGE_END}"))]


def read_image(frame: Frame) -> np.ndarray:
    """Read the camera image, uint8 (H, W, 3) RGB. Raise CourseError if the file is missing or damaged."""
    return cv2.cvtColor(read_png(frame.image, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_label(frame: Frame) -> np.ndarray:
    """Read the train ids, uint8 (H, W).

    Raise CourseError if the file is missing or damaged, is not an 8-bit grey image, or has a value other than 0 to 18
    and 255.
    """
    recreate = f"remove it and {_CREATE_LABELS.format(root=frame.root)}"
    data = read_bytes(frame.label)
    with name_file(frame.label, recreate):
        header = png.parse_header(data[:33].tobytes())
        label = png.decode(data)
    if header.kind != "8-bit grey":
        raise CourseError(f"{frame.label} is {header.kind}, but train ids must be 8-bit grey: {recreate}.")
    counts = np.bincount(label.ravel(), minlength=256)
    invalid = np.flatnonzero((counts > 0) & ~TRAIN_IDS_ALLOWED)
    if invalid.size:
        raise CourseError(
            f"{frame.label} has the value {invalid[0]} in {counts[invalid[0]]} of {label.size} pixels, which is not a "
            f"train id (0 to 18, or 255); the file may contain label ids: {recreate}."
        )
    return label


def class_pixels(frames: list[Frame]) -> np.ndarray:
    """Count the pixels of each class in `frames`, int64 (19,), without ignored pixels."""
    total = np.zeros(NUM_CLASSES, dtype=np.int64)
    for frame in frames:
        total += np.bincount(read_label(frame).ravel(), minlength=256)[:NUM_CLASSES]
    return total


def read_png(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """Read and decode a PNG file, channels in OpenCV's order. Raise CourseError if it is missing or damaged."""
    with name_file(path):
        return png.decode(read_bytes(path), flags)


def read_bytes(path: Path) -> np.ndarray:
    """Read a file as uint8 (bytes,). Raise CourseError if it is missing."""
    try:
        return np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: {_RESTORE}.") from None


@contextmanager
def name_file(path: Path, remedy: str = _RESTORE) -> Iterator[None]:
    """Turn a PngError raised in the block into a CourseError that names `path` and ends with `remedy`."""
    try:
        yield
    except png.PngError as error:
        raise CourseError(f"{path} {error}: {remedy}.") from error


def _check_finished(root: Path) -> None:
    if (root / UNFINISHED).exists():
        raise CourseError(
            f"The preparation of {root} was interrupted and the data set is incomplete: run the same "
            "`python -m helpers.cityscapes prepare` command again, it resumes where it stopped."
        )
