"""Statistics of a data set: class shares, frames, heights, region sizes, instances and colours.

Each frame is counted separately and the integer counts are added: memory use does not grow with the number of frames,
and the result does not depend on the number of processes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

import cv2
import numpy as np

from helpers.cityscapes.frames import Frame, read_png
from helpers.cityscapes.labels import IGNORE, NUM_CLASSES, TRAIN_IDS_ALLOWED, id_to_train_id
from helpers.cityscapes.regions import connected_regions, runs
from helpers.common.errors import CourseError

VERSION = 1  # part of the cache key: increase it when the same files yield other numbers
HEIGHT_BANDS = 64  # of equal height, from the top of the image to the bottom
SIZE_STEPS = 4  # bins per doubling of a region's area
_SIZE_BINS = 27 * SIZE_STEPS  # up to 2**27 pixels, the largest image that `prepare` accepts
_TRAIN_ID = id_to_train_id()


def _zeros(*shape: int):
    return field(default_factory=lambda: np.zeros(shape, dtype=np.int64))


@dataclass
class Statistics:
    """Integer sums over frames; shares, means and standard deviations are properties."""

    frames: int = 0
    cities: Counter = field(default_factory=Counter)  # number of frames per "<split>/<city>"
    sizes: Counter = field(default_factory=Counter)  # number of frames per "<width> x <height>"
    pixels: np.ndarray = _zeros(NUM_CLASSES)  # per class
    ignored: int = 0  # pixels without an evaluated class
    class_frames: np.ndarray = _zeros(NUM_CLASSES)  # frames that contain the class
    heights: np.ndarray = _zeros(HEIGHT_BANDS, NUM_CLASSES)  # pixels per height band and class
    region_sizes: np.ndarray = _zeros(NUM_CLASSES, _SIZE_BINS)  # connected regions per area bin, see `region_edges`
    instances: np.ndarray = _zeros(NUM_CLASSES)  # objects per class, from instanceIds
    instance_frames: int = 0  # frames that have instanceIds
    image_pixels: int = 0
    image_sum: np.ndarray = _zeros(3)  # R, G, B summed over all pixels
    image_square_sum: np.ndarray = _zeros(3)

    def add(self, other: Statistics) -> None:
        """Add the sums of `other` in place."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def class_share(self) -> np.ndarray:
        """Share of each class among the labelled pixels, float64 (19,), sums to 1."""
        return self.pixels / max(1, self.pixels.sum())

    @property
    def frame_share(self) -> np.ndarray:
        """Share of frames that contain each class, float64 (19,), 0 to 1."""
        return self.class_frames / max(1, self.frames)

    @property
    def instances_per_frame(self) -> np.ndarray:
        """Mean number of visible instances of each class per frame, float64 (19,); 0 for classes without instances."""
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
        """Return the area in pixels up to which regions contain `share` of a class's pixels, to within a bin, or NaN.

        Quantiles are weighted by area, because slivers of a few pixels along borders outnumber all other regions.
        """
        inside = (self.region_sizes[class_id] * region_edges() * 2 ** (0.5 / SIZE_STEPS)).cumsum()
        return float(region_edges()[np.searchsorted(inside, share * inside[-1])]) if inside[-1] else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Return the sums as numbers, lists and dictionaries, which `from_json` reads."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Statistics:
        """Create statistics from the result of `to_json`."""
        empty = cls()
        return cls(**{each.name: _restore(getattr(empty, each.name), values[each.name]) for each in fields(cls)})


def _restore(empty, value):
    return np.array(value, dtype=np.int64) if isinstance(empty, np.ndarray) else type(empty)(value)


def region_edges() -> np.ndarray:
    """Return the smallest area in pixels of each bin of `Statistics.region_sizes`, float64 (bins,)."""
    return 2.0 ** (np.arange(_SIZE_BINS) / SIZE_STEPS)


def tally(frame: Frame) -> Statistics:
    """Return the statistics of one labelled frame. Raise CourseError if a file is missing, damaged or inconsistent."""
    image = read_png(frame.image, cv2.IMREAD_COLOR)  # BGR
    label = read_png(frame.label)
    height, width = image.shape[:2]
    if label.dtype != np.uint8 or label.shape != (height, width):
        raise CourseError(
            f"{frame.label} has shape {label.shape} and dtype {label.dtype}, expected {height, width} and uint8: "
            "check the data with `python -m helpers.cityscapes verify`."
        )
    starts = runs(label)
    values = label.ravel()[starts]
    lengths = np.diff(starts, append=label.size)
    bands = starts // width * HEIGHT_BANDS // height
    counts = np.bincount(bands * 256 + values, weights=lengths, minlength=HEIGHT_BANDS * 256)
    counts = counts.astype(np.int64).reshape(HEIGHT_BANDS, 256)
    invalid = np.flatnonzero(counts.any(axis=0) & ~TRAIN_IDS_ALLOWED)
    if invalid.size:
        raise CourseError(
            f"{frame.label} has the value {invalid[0]}, which is not a train id (0 to 18, or 255): create it again."
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
        _count_instances(result, read_png(frame.annotation("instanceIds")))
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
    # 26003 is instance 3 of class car (26). Ids below 1000 are classes without instances, or groups of objects.
    present = np.unique(instance_ids.ravel()[runs(instance_ids)]).astype(np.int64)
    classes = _TRAIN_ID[np.minimum(present[present >= 1000] // 1000, 255)]
    result.instances = np.bincount(classes, minlength=256)[:NUM_CLASSES]
    result.instance_frames = 1
