"""Cityscapes on disk: the label table, the frames and what belongs to each. Knows nothing of Paddle.

The label definitions are those of cityscapesScripts (`cityscapesscripts.helpers.labels`); the folder layout is the
official one, `leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png` beside `gtFine/<split>/<city>/<stem>_gtFine_*.png`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cityscapesscripts.helpers.labels import labels as LABELS
from PIL import Image

from helpers.errors import CourseError

IGNORE = 255
_EVALUATED = sorted((label for label in LABELS if 0 <= label.trainId < IGNORE), key=lambda label: label.trainId)
CLASSES: tuple[str, ...] = tuple(label.name for label in _EVALUATED)
PALETTE: np.ndarray = np.array([label.color for label in _EVALUATED], dtype=np.uint8)  # (19, 3) RGB
NUM_CLASSES = len(CLASSES)

SPLITS = ("train", "val", "test")
ANNOTATIONS = {
    "color": "color.png",
    "instanceIds": "instanceIds.png",
    "labelIds": "labelIds.png",
    "labelTrainIds": "labelTrainIds.png",
    "polygons": "polygons.json",
}
_IMAGE_END = "_leftImg8bit.png"


def id_to_train_id() -> np.ndarray:
    """Lookup table uint8 (256,) from label id to train id; ids that are not evaluated or not defined give IGNORE."""
    table = np.full(256, IGNORE, dtype=np.uint8)
    for label in LABELS:
        if label.id >= 0 and 0 <= label.trainId < IGNORE:
            table[label.id] = label.trainId
    return table


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
        return self.root / "leftImg8bit" / self.split / self.city / f"{self.stem}{_IMAGE_END}"

    def annotation(self, kind: str) -> Path:
        """Path of the annotation `kind`: color, instanceIds, labelIds, labelTrainIds or polygons."""
        return self.root / "gtFine" / self.split / self.city / f"{self.stem}_gtFine_{ANNOTATIONS[kind]}"

    @property
    def label(self) -> Path:
        """The train ids, 8-bit grey PNG: 0 to 18, and 255 where no class is evaluated."""
        return self.annotation("labelTrainIds")


def find_root(data_root: str | Path, default: Path) -> Path:
    """The folder that holds `leftImg8bit`: `data_root` if given, else $CITYSCAPES_DATASET, else `default`.

    Raises CourseError when there is no such folder or it has another layout.
    """
    root = Path(data_root or os.environ.get("CITYSCAPES_DATASET") or default).expanduser()
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
    return root


def index(root: str | Path, split: str) -> list[Frame]:
    """Frames of `split`, sorted by city and stem; labels are matched by stem, never by position.

    The test split has no labels. Raises CourseError when the split is unknown or empty, or when a train or val frame
    has no label.
    """
    root = Path(root)
    if split not in SPLITS:
        raise CourseError(f"There is no split {split!r}: choose train, val or test.")
    images = sorted((root / "leftImg8bit" / split).glob(f"*/*{_IMAGE_END}"))
    if not images:
        raise CourseError(
            f"No frames under {root / 'leftImg8bit' / split}: expected <city>/<stem>{_IMAGE_END}; "
            "unpack leftImg8bit_trainvaltest.zip there."
        )
    frames = [Frame(root, split, path.parent.name, path.name.removesuffix(_IMAGE_END)) for path in images]
    if split != "test":
        for frame in frames:
            if not frame.label.is_file():
                raise CourseError(
                    f"{frame.image.name} has no label {frame.label.name}: the official gtFine lacks labelTrainIds; "
                    "make them with `csCreateTrainIdLabelImgs` of cityscapesScripts."
                )
    return frames


def read_image(frame: Frame) -> np.ndarray:
    """The camera image as uint8 (H, W, 3), RGB."""
    with Image.open(frame.image) as image:
        return np.asarray(image.convert("RGB"))


def read_label(frame: Frame) -> np.ndarray:
    """The train ids as uint8 (H, W). Raises CourseError when the file has anything but 0 to 18 and 255."""
    with Image.open(frame.label) as image:
        label = np.asarray(image)
    if label.ndim != 2 or label.dtype != np.uint8:
        raise CourseError(
            f"{frame.label} must be an 8-bit grey image of train ids, not {label.dtype} with shape {label.shape}: "
            "make it with `csCreateTrainIdLabelImgs` of cityscapesScripts."
        )
    wrong = np.setdiff1d(label, [*range(NUM_CLASSES), IGNORE])
    if wrong.size:
        raise CourseError(
            f"{frame.label} has the value {wrong[0]}, which is no train id (0 to 18, or 255): "
            "it may hold label ids; make train ids with `csCreateTrainIdLabelImgs` of cityscapesScripts."
        )
    return label


def colorize(train_ids: np.ndarray) -> np.ndarray:
    """The official colours of integer train ids (H, W), as uint8 (H, W, 3); IGNORE is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[:NUM_CLASSES] = PALETTE
    return table[train_ids]


def class_pixels(frames: list[Frame]) -> np.ndarray:
    """Number of pixels of each class over `frames`, int64 (19,); ignored pixels are not counted."""
    total = np.zeros(NUM_CLASSES, dtype=np.int64)
    for frame in frames:
        total += np.bincount(read_label(frame).ravel(), minlength=256)[:NUM_CLASSES]
    return total
