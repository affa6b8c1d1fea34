"""Read one frame and keep what the diagnoses need: sizes, counts of values, region sizes, an image signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from helpers.common.errors import CourseError
from helpers.datasets import png
from helpers.datasets.checking.duplicates import signature
from helpers.datasets.checking.findings import Finding
from helpers.datasets.checking.formats import check_format
from helpers.datasets.dataset import Frame
from helpers.datasets.frames import name_file, read_bytes, read_image, read_values
from helpers.datasets.regions import connected_regions, runs


@dataclass
class Facts:
    """Facts about one frame, some 4 KB, which worker processes return instead of pixels.

    Attributes
    ----------
    index : int
        Position in the list of all frames.
    size : (int, int) or None
        Width and height of the image; None if it cannot be read.
    counts : int64 (256,) or None
        Pixels per value of the label file; None without a readable label.
    largest : int64 (256,) or None
        Area of the largest connected region per value.
    between : float
        Share of the steps between neighbouring pixels of the label that pass through a value in between, see `ramps`.
    middle : int
        Number of distinct values in between.
    signature : float32 (255,) or None
        See `duplicates.signature`.
    findings : list of Finding
        What is wrong with this frame alone.
    """

    index: int
    size: tuple[int, int] | None = None
    counts: np.ndarray | None = None
    largest: np.ndarray | None = None
    between: float = 0.0
    middle: int = 0
    signature: np.ndarray | None = None
    findings: list[Finding] = field(default_factory=list)


def gather(numbered: Sequence[tuple[int, Frame]]) -> list[Facts]:
    """Return the facts of some numbered frames, in this process."""
    return [gather_frame(index, frame) for index, frame in numbered]


def gather_frame(index: int, frame: Frame) -> Facts:
    """Read image and label of one frame; problems become findings, never exceptions."""
    facts = Facts(index)
    try:
        image = _read_checked_image(frame)
        facts.size = (image.shape[1], image.shape[0])
        facts.signature = signature(image)
    except (CourseError, OSError, cv2.error) as error:
        facts.findings.append(_unreadable(frame, frame.image, error))
    if frame.label.is_file():
        _gather_label(facts, frame)
    return facts


def _read_checked_image(frame: Frame) -> np.ndarray:
    # Decoders accept PNG files with wrong checksums and return wrong pixels.
    if frame.image.suffix.lower() == ".png":
        data = read_bytes(frame.image)
        with name_file(frame.image):
            png.parse_header(data[:33].tobytes())
            png.check_sums(data.tobytes())
    return read_image(frame)


def _gather_label(facts: Facts, frame: Frame) -> None:
    try:
        data = read_bytes(frame.label)
        problem = check_format(frame, data)
        if problem is not None:
            facts.findings.append(problem)
            return
        with name_file(frame.label):
            png.check_sums(data.tobytes())
        values = read_values(frame)
    except (CourseError, OSError, cv2.error) as error:
        facts.findings.append(_unreadable(frame, frame.label, error))
        return
    height, width = values.shape
    if facts.size and facts.size != (width, height):
        facts.findings.append(_sizes_differ(frame, facts.size, (width, height)))
    starts = runs(values)
    of_runs = values.ravel()[starts]
    region_values, areas = connected_regions(starts, of_runs, values.shape)
    facts.counts = np.bincount(region_values, weights=areas, minlength=256).astype(np.int64)
    facts.largest = np.zeros(256, dtype=np.int64)
    np.maximum.at(facts.largest, region_values, areas)
    facts.between, facts.middle = ramps(starts, of_runs, values.shape)


def ramps(starts: np.ndarray, of_runs: np.ndarray, size_hw: tuple[int, int]) -> tuple[float, int]:
    """Return the share of steps along rows with a value in between, and the number of distinct values in between.

    In a label drawn with sharp edges, neighbours across a border have the values of two classes. JPEG compression and
    resizing with interpolation insert values between them, such as 4 between 0 and 7: runs of one pixel whose value is
    between those of its neighbours. starts, of_runs: (R,), start and value of each run. size_hw: height and width.
    """
    height, width = size_hw
    columns = starts % width
    first, middle, last = of_runs[:-2], of_runs[1:-1], of_runs[2:]
    inside = ((first < middle) & (middle < last)) | ((first > middle) & (middle > last))
    inside &= (np.diff(starts)[1:] == 1) & (columns[1:-1] > 0) & (columns[2:] > 0)
    return np.count_nonzero(inside) / max(1, starts.size - height), np.unique(middle[inside]).size


def _unreadable(frame: Frame, path, error: Exception) -> Finding:
    if path.is_file() and not path.stat().st_size:
        return Finding("empty-file", "is empty: copy or download it again", frame.split, path)
    if isinstance(error, OSError):
        text = f"cannot be read ({error.strerror or error}): check its permissions, or copy it again"
    elif isinstance(error, CourseError):
        text = str(error).removeprefix(str(path)).lstrip(": ").rstrip(".")  # the message starts with the path
    else:
        text = "cannot be decoded: copy or download it again"
    return Finding("damaged-file", text, frame.split, path)


def _sizes_differ(frame: Frame, image: tuple[int, int], label: tuple[int, int]) -> Finding:
    text = f"has {label[0]} x {label[1]} pixels, but its image has {image[0]} x {image[1]}: "
    if label == image[::-1]:
        text += "turn it by 90 degrees, since cameras store photos lying down and viewers show them upright"
    else:
        text += "create it again from the full image, or resize it without interpolation"
    return Finding("size-mismatch", text, frame.split, frame.label)
