"""Statistics of a data set: class shares, frames, heights, region sizes, instances and colours.

Each frame is counted separately and the integer counts are added: memory use does not grow with the number of frames,
and the result does not depend on the number of processes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import id2label

from helpers.datasets.classes import IGNORE, Classes
from helpers.datasets.dataset import Frame
from helpers.datasets.frames import read_pair, read_png
from helpers.datasets.regions import connected_regions, runs

VERSION = 2  # part of the cache key: increase it when the same files yield other numbers
HEIGHT_BANDS = 64  # of equal height, from the top of the image to the bottom
SIZE_STEPS = 4  # bins per doubling of a region's area
_SIZE_BINS = 27 * SIZE_STEPS  # up to 2**27 pixels, the largest image that `prepare` accepts


@dataclass
class Statistics:
    """Integer sums over frames; shares, means and standard deviations are properties.

    Attributes
    ----------
    frames : int
        Number of frames.
    groups, sizes : Counter
        Number of frames per "<split>/<group>", and per "<width> x <height>".
    pixels : int64 (classes,)
        Pixels of each class.
    ignored : int
        Pixels that belong to no class.
    class_frames : int64 (classes,)
        Frames that contain the class.
    heights : int64 (HEIGHT_BANDS, classes)
        Pixels per height band and class.
    region_sizes : int64 (classes, bins)
        Connected regions per area bin, see `region_edges`.
    instances : int64 (classes,)
        Objects per class, from instanceIds.
    instance_frames : int
        Frames that have instanceIds.
    image_pixels : int
        Pixels of all images.
    image_sum, image_square_sum : int64 (3,)
        R, G and B, and their squares, summed over all pixels.
    """

    frames: int
    groups: Counter
    sizes: Counter
    pixels: np.ndarray
    ignored: int
    class_frames: np.ndarray
    heights: np.ndarray
    region_sizes: np.ndarray
    instances: np.ndarray
    instance_frames: int
    image_pixels: int
    image_sum: np.ndarray
    image_square_sum: np.ndarray

    @classmethod
    def empty(cls, classes: int) -> Statistics:
        """Return the statistics of no frames, for this number of classes."""

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros(shape, dtype=np.int64)

        return cls(
            frames=0,
            groups=Counter(),
            sizes=Counter(),
            pixels=zeros(classes),
            ignored=0,
            class_frames=zeros(classes),
            heights=zeros(HEIGHT_BANDS, classes),
            region_sizes=zeros(classes, _SIZE_BINS),
            instances=zeros(classes),
            instance_frames=0,
            image_pixels=0,
            image_sum=zeros(3),
            image_square_sum=zeros(3),
        )

    def add(self, other: Statistics) -> None:
        """Add the sums of `other` in place."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def class_share(self) -> np.ndarray:
        """Share of each class among the labelled pixels, float64 (classes,), sums to 1."""
        return self.pixels / max(1, self.pixels.sum())

    @property
    def frame_share(self) -> np.ndarray:
        """Share of frames that contain each class, float64 (classes,), 0 to 1."""
        return self.class_frames / max(1, self.frames)

    @property
    def instances_per_frame(self) -> np.ndarray:
        """Mean number of visible instances per frame, float64 (classes,); 0 for classes without instances."""
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
        given = {each.name: values[each.name] for each in fields(cls)}
        for name, value in given.items():
            if isinstance(value, dict):
                given[name] = Counter(value)
            elif isinstance(value, list):
                given[name] = np.array(value, dtype=np.int64)
        return cls(**given)


def region_edges() -> np.ndarray:
    """Return the smallest area in pixels of each bin of `Statistics.region_sizes`, float64 (bins,)."""
    return 2.0 ** (np.arange(_SIZE_BINS) / SIZE_STEPS)


def tally(frame: Frame) -> Statistics:
    """Return the statistics of one labelled frame. Raise CourseError if a file is missing, damaged or inconsistent."""
    image, label = read_pair(frame)
    classes = frame.dataset.classes
    height, width = label.shape
    starts = runs(label)
    values = label.ravel()[starts]
    lengths = np.diff(starts, append=label.size)
    bands = starts // width * HEIGHT_BANDS // height
    counts = np.bincount(bands * 256 + values, weights=lengths, minlength=HEIGHT_BANDS * 256)
    counts = counts.astype(np.int64).reshape(HEIGHT_BANDS, 256)
    result = Statistics.empty(len(classes))
    result.frames = 1
    result.groups[f"{frame.split}/{frame.group}"] = 1
    result.sizes[f"{width} x {height}"] = 1
    result.heights = counts[:, : len(classes)]
    result.pixels = result.heights.sum(axis=0)
    result.ignored = int(counts[:, IGNORE].sum())
    result.class_frames = (result.pixels > 0).astype(np.int64)
    _count_regions(result, *connected_regions(starts, values, label.shape))
    instances = frame.annotation("instanceIds")
    if instances is not None and instances.is_file():
        _count_instances(result, read_png(instances), classes)
    mean, deviation = cv2.meanStdDev(image)
    pixels = height * width
    result.image_pixels = pixels
    result.image_sum = np.rint(mean.ravel() * pixels).astype(np.int64)
    result.image_square_sum = np.rint((deviation**2 + mean**2).ravel() * pixels).astype(np.int64)
    return result


def _count_regions(result: Statistics, values: np.ndarray, areas: np.ndarray) -> None:
    labelled = values != IGNORE
    bins = np.floor(np.log2(areas[labelled]) * SIZE_STEPS + 1e-9).astype(np.int64)
    shape = result.region_sizes.shape
    flat = np.bincount(values[labelled].astype(np.int64) * _SIZE_BINS + bins, minlength=shape[0] * _SIZE_BINS)
    result.region_sizes = flat.reshape(shape)


def _count_instances(result: Statistics, instance_ids: np.ndarray, classes: Classes) -> None:
    # Cityscapes: 26003 is instance 3 of class car (26). Ids below 1000 are classes without instances, or groups of
    # objects.
    for each in np.unique(instance_ids.ravel()[runs(instance_ids)]).astype(np.int64):
        label = id2label.get(each // 1000) if each >= 1000 else None
        if label is not None and label.name in classes.names:
            result.instances[classes.index(label.name)] += 1
    result.instance_frames = 1
