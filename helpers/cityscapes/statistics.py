"""What is in a data set: class shares, frames, heights, region sizes, instances, colours.

A frame is tallied on its own and tallies are added, in whole numbers: memory does not grow with the number of frames,
and the result is the same for any number of processes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from helpers.cityscapes import png
from helpers.cityscapes.frames import Frame, read_bytes
from helpers.cityscapes.labels import IGNORE, NUM_CLASSES, TRAIN_IDS_ALLOWED, id_to_train_id
from helpers.cityscapes.regions import connected_regions, runs
from helpers.common.errors import CourseError

VERSION = 1  # raise it when the same files give other numbers: it is part of the cache's key
HEIGHT_BANDS = 64  # of equal height, from the top of the picture down
SIZE_STEPS = 4  # bins for each doubling of a region's area
_SIZE_BINS = 27 * SIZE_STEPS  # up to 2**27 pixels, the largest picture that `prepare` accepts
_TRAIN_ID = id_to_train_id()


def _zeros(*shape: int):
    return field(default_factory=lambda: np.zeros(shape, dtype=np.int64))


@dataclass
class Statistics:
    """Sums over frames, all whole numbers; the shares and means that people ask for are properties."""

    frames: int = 0
    cities: Counter = field(default_factory=Counter)  # frames of "<split>/<city>"
    sizes: Counter = field(default_factory=Counter)  # frames of "<width> x <height>"
    pixels: np.ndarray = _zeros(NUM_CLASSES)  # of each class
    ignored: int = 0  # pixels without an evaluated class
    class_frames: np.ndarray = _zeros(NUM_CLASSES)  # frames in which the class occurs
    heights: np.ndarray = _zeros(HEIGHT_BANDS, NUM_CLASSES)  # pixels of each class in each band of height
    region_sizes: np.ndarray = _zeros(NUM_CLASSES, _SIZE_BINS)  # connected regions by area, see `region_edges`
    instances: np.ndarray = _zeros(NUM_CLASSES)  # single objects, from instanceIds
    instance_frames: int = 0  # frames that have instanceIds
    image_pixels: int = 0
    image_sum: np.ndarray = _zeros(3)  # of R, G, B over all pixels
    image_square_sum: np.ndarray = _zeros(3)

    def add(self, other: Statistics) -> None:
        """Add the sums of `other` to these."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def class_share(self) -> np.ndarray:
        """Share of each class among the pixels that have one, float64 (19,), sums to 1."""
        return self.pixels / max(1, self.pixels.sum())

    @property
    def frame_share(self) -> np.ndarray:
        """Share of the frames in which each class occurs, float64 (19,), 0 to 1."""
        return self.class_frames / max(1, self.frames)

    @property
    def instances_per_frame(self) -> np.ndarray:
        """Mean number of visible single objects of each class a frame, float64 (19,); 0 where none are told apart."""
        return self.instances / max(1, self.instance_frames)

    @property
    def image_mean(self) -> np.ndarray:
        """Mean of R, G, B, float64 (3,), 0 to 1."""
        return self.image_sum / max(1, self.image_pixels) / 255

    @property
    def image_std(self) -> np.ndarray:
        """Standard deviation of R, G, B over all pixels, float64 (3,), 0 to 1."""
        count = max(1, self.image_pixels)
        return np.sqrt(np.maximum(0, self.image_square_sum / count - (self.image_sum / count) ** 2)) / 255

    def typical_region(self, class_id: int, share: float = 0.5) -> float:
        """The area in pixels up to which regions hold `share` of the pixels of a class, to within a bin; NaN if none.

        Weighted by area, because slivers of a few pixels along borders outnumber all other regions.
        """
        inside = (self.region_sizes[class_id] * region_edges() * 2 ** (0.5 / SIZE_STEPS)).cumsum()
        return float(region_edges()[np.searchsorted(inside, share * inside[-1])]) if inside[-1] else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and names, which `from_json` reads back."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Statistics:
        """The reverse of `to_json`."""
        empty = cls()
        return cls(**{each.name: _like(getattr(empty, each.name), values[each.name]) for each in fields(cls)})


def _like(empty, value):
    return np.array(value, dtype=np.int64) if isinstance(empty, np.ndarray) else type(empty)(value)


def region_edges() -> np.ndarray:
    """Smallest area in pixels of each bin of `Statistics.region_sizes`, float64 (bins,)."""
    return 2.0 ** (np.arange(_SIZE_BINS) / SIZE_STEPS)


def tally(frame: Frame) -> Statistics:
    """The statistics of one labelled frame. Raises CourseError when a file is missing, damaged or does not fit."""
    image = _decode(frame.image, cv2.IMREAD_COLOR)  # BGR
    label = _decode(frame.label)
    height, width = image.shape[:2]
    if label.dtype != np.uint8 or label.shape != (height, width):
        raise CourseError(
            f"{frame.label} has shape {label.shape} and type {label.dtype}, its image {height, width} and uint8: "
            "`python -m helpers.cityscapes verify` tells what is wrong."
        )
    starts = runs(label)
    values = label.ravel()[starts]
    lengths = np.diff(starts, append=label.size)
    bands = starts // width * HEIGHT_BANDS // height
    counts = np.bincount(bands * 256 + values, weights=lengths, minlength=HEIGHT_BANDS * 256)
    counts = counts.astype(np.int64).reshape(HEIGHT_BANDS, 256)
    wrong = np.flatnonzero(counts.any(axis=0) & ~TRAIN_IDS_ALLOWED)
    if wrong.size:
        raise CourseError(
            f"{frame.label} has the value {wrong[0]}, which is no train id (0 to 18, or 255): make it again."
        )
    result = Statistics(
        frames=1, cities=Counter([f"{frame.split}/{frame.city}"]), sizes=Counter([f"{width} x {height}"])
    )
    result.heights = counts[:, :NUM_CLASSES]
    result.pixels = result.heights.sum(axis=0)
    result.ignored = int(counts[:, IGNORE].sum())
    result.class_frames = (result.pixels > 0).astype(np.int64)
    _count_regions(result, *connected_regions(starts, values, label.shape))
    if frame.annotation("instanceIds").is_file():
        _count_instances(result, _decode(frame.annotation("instanceIds")))
    mean, deviation = cv2.meanStdDev(image)
    pixels = height * width
    result.image_pixels = pixels
    result.image_sum = np.rint(mean.ravel()[::-1] * pixels).astype(np.int64)
    result.image_square_sum = np.rint((deviation**2 + mean**2).ravel()[::-1] * pixels).astype(np.int64)
    return result


def _count_regions(result: Statistics, values: np.ndarray, areas: np.ndarray) -> None:
    labelled = values != IGNORE
    bins = np.floor(np.log2(areas[labelled]) * SIZE_STEPS + 1e-9).astype(np.int64)
    flat = np.bincount(values[labelled].astype(np.int64) * _SIZE_BINS + bins, minlength=NUM_CLASSES * _SIZE_BINS)
    result.region_sizes = flat.reshape(NUM_CLASSES, _SIZE_BINS)


def _count_instances(result: Statistics, instance_ids: np.ndarray) -> None:
    # 26003 is car number 3. An id below 1000 is a class without single objects, or a group of them.
    present = np.unique(instance_ids.ravel()[runs(instance_ids)]).astype(np.int64)
    classes = _TRAIN_ID[np.minimum(present[present >= 1000] // 1000, 255)]
    result.instances = np.bincount(classes, minlength=256)[:NUM_CLASSES]
    result.instance_frames = 1


def _decode(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    try:
        return png.decode(read_bytes(path), flags)
    except png.BadPicture as wrong:
        raise CourseError(f"{path} {wrong}; get that file again.") from wrong
