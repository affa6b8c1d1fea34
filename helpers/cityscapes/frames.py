"""Frames on disk: where each is, what belongs to it, reading it."""

from __future__ import annotations

import os
from collections import Counter
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
UNFINISHED = ".prepare-unfinished"  # in the root while `prepare` works: the set is not whole yet
REMAKE = "run `python -m helpers.cityscapes prepare {root}`, which makes what is missing"


@dataclass(frozen=True)
class Frame:
    """One image and where its annotations are. `stem` is "<city>_<sequence>_<frame>"."""

    root: Path
    split: str
    city: str
    stem: str

    @property
    def image(self) -> Path:
        """The camera image, 8-bit RGB PNG."""
        return self.root / "leftImg8bit" / self.split / self.city / f"{self.stem}{IMAGE_END}"

    def annotation(self, kind: str) -> Path:
        """Path of the annotation `kind`: color, instanceIds, labelIds, labelTrainIds or polygons."""
        return self.root / "gtFine" / self.split / self.city / f"{self.stem}_gtFine_{ANNOTATIONS[kind]}"

    @property
    def label(self) -> Path:
        """The train ids, 8-bit grey PNG: 0 to 18, and 255 where no class is evaluated."""
        return self.annotation("labelTrainIds")


def find_root(data_root: str | Path, default: Path) -> Path:
    """The folder that holds `leftImg8bit`: `data_root` if given, else $CITYSCAPES_DATASET, else `default`.

    Raises CourseError when there is no such folder, it has another layout, or its preparation was interrupted.
    """
    root = Path(data_root or os.environ.get("CITYSCAPES_DATASET") or default).expanduser()
    check_layout(root)
    _refuse_unfinished(root)
    return root


def check_layout(root: Path) -> None:
    """Raises CourseError unless `root` is a folder that holds leftImg8bit/ and gtFine/."""
    if not root.is_dir():
        raise CourseError(
            f"No data at {root}: give the folder that holds leftImg8bit/ and gtFine/ as DATA_ROOT or in "
            "$CITYSCAPES_DATASET, or use the profile smoke or mini, which generate their own."
        )
    missing = [name for name in ("leftImg8bit", "gtFine") if not (root / name).is_dir()]
    if missing:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
        raise CourseError(
            f"{root} is not in the layout of Cityscapes: it holds {found} and lacks {' and '.join(missing)}; "
            "give the folder that holds leftImg8bit/ and gtFine/."
        )


def index(root: str | Path, split: str) -> list[Frame]:
    """Frames of `split`, sorted by city and stem; labels are matched by stem, never by position.

    The test split has no labels. Raises CourseError when the split is unknown or empty, a city folder is empty, two
    frames share a stem, or a train or val frame has no label.
    """
    root = Path(root)
    if split not in SPLITS:
        raise CourseError(f"There is no split {split!r}: choose train, val or test.")
    _refuse_unfinished(root)
    frames = list_frames(root, split)
    if not frames:
        raise CourseError(
            f"No frames under {root / 'leftImg8bit' / split}: expected <city>/<stem>{IMAGE_END}; "
            "prepare leftImg8bit_trainvaltest.zip with `python -m helpers.cityscapes prepare`."
        )
    for city in empty_cities(root, split):
        raise CourseError(f"{city} has no frame: unpack that city again, or remove the folder.")
    for stem, count in Counter(frame.stem for frame in frames).items():
        if count > 1:
            cities = " and ".join(frame.city for frame in frames if frame.stem == stem)
            raise CourseError(f"The stem {stem} is in {cities} of {split}: each frame needs its own; rename one.")
    if split != "test":
        unlabelled = [frame for frame in frames if not frame.label.is_file()]
        if unlabelled:
            raise CourseError(
                f"{unlabelled[0].image} has no label {unlabelled[0].label.name} "
                f"({len(unlabelled)} of {len(frames)} {split} frames lack theirs; the official gtFine has none): "
                f"{REMAKE.format(root=root)}."
            )
    return frames


def splits(root: str | Path) -> list[str]:
    """Those of train, val and test that have frames in `root`; data of one's own often lack test."""
    return [split for split in SPLITS if any((Path(root) / "leftImg8bit" / split).glob(f"*/*{IMAGE_END}"))]


def list_frames(root: Path, split: str) -> list[Frame]:
    """The images of a split as frames, sorted by city and stem; nothing is checked."""
    images = (root / "leftImg8bit" / split).glob(f"*/*{IMAGE_END}")
    named = sorted((path.parent.name, path.name.removesuffix(IMAGE_END)) for path in images)
    return [Frame(root, split, city, stem) for city, stem in named]


def empty_cities(root: Path, split: str) -> list[Path]:
    """City folders of a split that hold no image."""
    folder = root / "leftImg8bit" / split
    cities = sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith("."))
    return [city for city in cities if not any(city.glob(f"*{IMAGE_END}"))]


def read_image(frame: Frame) -> np.ndarray:
    """The camera image as uint8 (H, W, 3), RGB. Raises CourseError when the file is missing or damaged."""
    try:
        return cv2.cvtColor(png.decode(read_bytes(frame.image), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    except png.BadPicture as wrong:
        raise CourseError(f"{frame.image} {wrong}; get that file again.") from wrong


def read_label(frame: Frame) -> np.ndarray:
    """The train ids as uint8 (H, W).

    Raises CourseError when the file is missing or damaged, is no 8-bit grey image, or has a value other than 0 to 18
    and 255.
    """
    again = f"remove it, then {REMAKE.format(root=frame.root)}"
    data = read_bytes(frame.label)
    try:
        header = png.parse_header(data[:33].tobytes())
        label = png.decode(data)
    except png.BadPicture as wrong:
        raise CourseError(f"{frame.label} {wrong}; {again}.") from wrong
    if header.kind != "8-bit grey":
        raise CourseError(f"{frame.label} is {header.kind}; train ids are 8-bit grey: {again}.")
    counts = np.bincount(label.ravel(), minlength=256)
    wrong = np.flatnonzero((counts > 0) & ~TRAIN_IDS_ALLOWED)
    if wrong.size:
        raise CourseError(
            f"{frame.label} has the value {wrong[0]} in {counts[wrong[0]]} pixels, which is no train id (0 to 18, or "
            f"255): it may hold label ids; {again}."
        )
    return label


def class_pixels(frames: list[Frame]) -> np.ndarray:
    """Number of pixels of each class over `frames`, int64 (19,); ignored pixels are not counted."""
    total = np.zeros(NUM_CLASSES, dtype=np.int64)
    for frame in frames:
        total += np.bincount(read_label(frame).ravel(), minlength=256)[:NUM_CLASSES]
    return total


def read_bytes(path: Path) -> np.ndarray:
    """The file as uint8 (bytes,). Raises CourseError when it is missing."""
    try:
        return np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: unpack that file again.") from None


def _refuse_unfinished(root: Path) -> None:
    if (root / UNFINISHED).exists():
        raise CourseError(
            f"The preparation of {root} was interrupted, so the set is not whole: run the same "
            "`python -m helpers.cityscapes prepare` again; it goes on where it stopped."
        )
