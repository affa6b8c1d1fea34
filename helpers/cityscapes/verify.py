"""Verify a data set and report every problem with its file; no file is changed.

Checks the number of frames, matching of images and annotations by stem, sizes, file types, label values, polygons,
checksums, and that every image can be decoded. `fast` checks only names and headers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from helpers.cityscapes.convert import (
    check_annotation,
    check_camera_image,
    read_instance_ids,
    read_label_ids,
    read_polygons,
)
from helpers.cityscapes.frames import ANNOTATIONS, IMAGE_END, check_layout, empty_cities, list_frames
from helpers.common.errors import CourseError
from helpers.common.parallel import in_processes
from helpers.datasets import SPLITS, Frame, png, read_label
from helpers.datasets.dataset import UNFINISHED
from helpers.datasets.frames import name_file, read_bytes, read_png

OFFICIAL_COUNTS = {"train": 2975, "val": 500, "test": 1525}


@dataclass(frozen=True)
class Problem:
    """One problem: its split, the file or folder, and a text that describes it and how to fix it."""

    split: str
    path: Path
    text: str


@dataclass(frozen=True)
class Report:
    """Result of `verify`. `table` has one row per split: frames, expected, cities, labelled, problems."""

    root: Path
    fast: bool
    table: pd.DataFrame
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


def verify(root: str | Path, *, fast: bool = False, expect: str = "auto", workers: int | None = None) -> Report:
    """Check every frame of the data set in `root` and return a report.

    fast: check only names and headers. expect: required number of frames per split, "official" (2975, 500 and 1525),
    "any", or "auto" (as stated in miniscapes.json if it exists, else official). workers: number of processes, see
    `in_processes`. Raise CourseError if `root` has another layout or `expect` is unknown.
    """
    root = Path(root).expanduser()
    check_layout(root)
    if expect not in ("auto", "official", "any"):
        raise CourseError(f"Unknown value {expect!r} for expect: choose auto, official or any.")
    expected = _expected(root, expect)
    frames = {split: list_frames(root, split) for split in SPLITS}
    problems = _check_folders(root, frames, expected)
    all_frames = sum(frames.values(), [])
    for found in in_processes(partial(_check_frames, fast=fast), all_frames, workers=workers, desc="verify"):
        problems += found
    problems.sort(key=lambda each: (SPLITS.index(each.split), str(each.path)))
    rows = [
        {
            "split": split,
            "frames": len(frames[split]),
            "expected": expected.get(split, "any"),
            "cities": len({frame.group for frame in frames[split]}),
            "labelled": sum(frame.label.is_file() for frame in frames[split]),
            "problems": sum(each.split == split for each in problems),
        }
        for split in SPLITS
    ]
    return Report(root, fast, pd.DataFrame(rows).set_index("split"), tuple(problems))


def _expected(root: Path, expect: str) -> dict[str, int]:
    if expect == "any":
        return {}
    path = root / "miniscapes.json"
    if expect == "official" or not path.is_file():
        return OFFICIAL_COUNTS
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        return {split: int(stated[split]) for split in SPLITS}
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{path} does not state the number of frames: generate MiniScapes again.") from error


def _check_folders(root: Path, frames: dict[str, list[Frame]], expected: dict[str, int]) -> list[Problem]:
    problems = []
    if (root / UNFINISHED).exists():
        problems.append(
            Problem("train", root / UNFINISHED, "preparation was interrupted: run the same prepare command again")
        )
    seen: dict[str, Frame] = {}
    for split in SPLITS:
        folder = root / "leftImg8bit" / split
        if split in expected and len(frames[split]) != expected[split]:
            remedy = "delete the data set and generate it again"
            if expected == OFFICIAL_COUNTS:
                remedy = "unpack the official archives again, or use --expect any for your own data"
            text = f"wrong number of frames (expected {expected[split]}, found {len(frames[split])}): {remedy}"
            problems.append(Problem(split, folder, text))
        if split not in expected and split != "test" and not frames[split]:
            problems.append(Problem(split, folder, "no frames: add the images and labels of this split"))
        for city in empty_cities(root, split):
            problems.append(Problem(split, city, "empty city folder: unpack this city again or remove the folder"))
        for frame in frames[split]:
            other = seen.setdefault(frame.stem.casefold(), frame)
            if other is not frame:
                text = f"same stem as {other.image.relative_to(root)}: rename or remove one, stems must be unique"
                problems.append(Problem(split, frame.image, text))
        stems = {(frame.group, frame.stem) for frame in frames[split]}
        for path in sorted((root / "gtFine" / split).glob("*/*")):
            stem, mark, _ = path.name.rpartition("_gtFine_")
            if mark and not path.name.startswith(".") and (path.parent.name, stem) not in stems:
                text = f"image {stem}{IMAGE_END} is missing: add the image or remove this annotation"
                problems.append(Problem(split, path, text))
    return problems


def _check_frames(frames: Sequence[Frame], fast: bool) -> list[Problem]:
    return [problem for frame in frames for problem in _check_frame(frame, fast)]


def _check_frame(frame: Frame, fast: bool) -> list[Problem]:
    problems = []

    def attempt(path: Path, check, *args):
        try:
            return check(*args)
        except CourseError as error:
            # The message starts with the path, which a problem stores separately.
            text = str(error).removeprefix(str(path)).lstrip(": ").removeprefix("is ").rstrip(".")
            problems.append(Problem(frame.split, path, text))
        except OSError as error:
            text = f"cannot be read ({error.strerror}): check the file, or unpack or download it again"
            problems.append(Problem(frame.split, path, text))
        return None

    existing = {kind for kind in ANNOTATIONS if frame.annotation(kind).is_file()}
    if frame.split != "test" and "labelTrainIds" not in existing:
        remedy = "run prepare to create it" if existing else "unpack the gtFine archive that matches the images"
        problems.append(Problem(frame.split, frame.label, f"label of {frame.image.name} is missing: {remedy}"))
    header = attempt(frame.image, check_camera_image, frame)
    if header is None:
        return problems
    if not fast:
        attempt(frame.image, _check_content, frame.image, read_png)
    for kind in sorted(existing):
        path, before = frame.annotation(kind), len(problems)
        if kind == "polygons":
            if not fast:
                attempt(path, read_polygons, path, header)
            continue
        attempt(path, check_annotation, frame, kind, header)
        if not fast and len(problems) == before:
            readers = {"labelIds": read_label_ids, "instanceIds": read_instance_ids, "color": read_png}
            attempt(path, _check_content, path, readers.get(kind, lambda _: read_label(frame)))
    return problems


def _check_content(path: Path, read: Callable[[Path], object]) -> None:
    with name_file(path):
        png.check_sums(read_bytes(path))
    read(path)
