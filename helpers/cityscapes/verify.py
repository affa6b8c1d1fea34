"""Is a data set whole and sound? Every finding names its file; nothing is changed.

Checked are the number of frames, each image with its annotations by stem, sizes, file types, legal label values, the
polygons, and that every picture decodes with right checksums. `fast` looks at names and headers only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from helpers.cityscapes import png
from helpers.cityscapes.convert import (
    check_annotation,
    check_camera_image,
    read_instance_ids,
    read_label_ids,
    read_polygons,
)
from helpers.cityscapes.frames import (
    ANNOTATIONS,
    IMAGE_END,
    SPLITS,
    UNFINISHED,
    Frame,
    check_layout,
    empty_cities,
    list_frames,
    read_bytes,
    read_label,
)
from helpers.common.errors import CourseError
from helpers.common.parallel import in_processes

OFFICIAL_COUNTS = {"train": 2975, "val": 500, "test": 1525}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: in which split, which file, and a sentence that says what and what to do."""

    split: str
    path: Path
    text: str


@dataclass(frozen=True)
class Report:
    """What `verify` saw. `table`: one row a split, with frames, expected, cities, labelled, findings."""

    root: Path
    fast: bool
    table: pd.DataFrame
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify(root: str | Path, *, fast: bool = False, expect: str = "auto", workers: int | None = None) -> Report:
    """Look at every frame of the data set in `root`.

    `expect`: which numbers of frames are right. "official": 2975, 500 and 1525; "any": whatever is there; "auto": what
    miniscapes.json states where there is one, else the official ones. Raises CourseError for another layout.
    """
    root = Path(root).expanduser()
    check_layout(root)
    if expect not in ("auto", "official", "any"):
        raise CourseError(f"There is no expectation {expect!r}: choose auto, official or any.")
    expected = _expected(root, expect)
    frames = {split: list_frames(root, split) for split in SPLITS}
    findings = _look_at_folders(root, frames, expected)
    everything = sum(frames.values(), [])
    for found in in_processes(partial(_look_at_frames, fast=fast), everything, workers=workers, desc="verify"):
        findings += found
    findings.sort(key=lambda each: (SPLITS.index(each.split), str(each.path)))
    rows = [
        {
            "split": split,
            "frames": len(frames[split]),
            "expected": expected.get(split, "any"),
            "cities": len({frame.city for frame in frames[split]}),
            "labelled": sum(frame.label.is_file() for frame in frames[split]),
            "findings": sum(each.split == split for each in findings),
        }
        for split in SPLITS
    ]
    return Report(root, fast, pd.DataFrame(rows).set_index("split"), tuple(findings))


def _expected(root: Path, expect: str) -> dict[str, int]:
    written = root / "miniscapes.json"
    if expect == "any":
        return {}
    if expect == "official" or not written.is_file():
        return OFFICIAL_COUNTS
    try:
        stated = json.loads(written.read_text(encoding="utf-8"))
        return {split: int(stated[split]) for split in SPLITS}
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{written} does not state how many frames there are: generate MiniScapes again.") from error


def _look_at_folders(root: Path, frames: dict[str, list[Frame]], expected: dict[str, int]) -> list[Finding]:
    findings = []
    if (root / UNFINISHED).exists():
        findings.append(
            Finding("train", root / UNFINISHED, "the preparation was interrupted: run the same prepare again")
        )
    seen: dict[str, Frame] = {}
    for split in SPLITS:
        folder = root / "leftImg8bit" / split
        if split in expected and len(frames[split]) != expected[split]:
            hint = (
                "" if expected[split] != OFFICIAL_COUNTS[split] else "; data of your own is verified with --expect any"
            )
            text = f"{len(frames[split])} frames, not {expected[split]}: get what is missing{hint}"
            findings.append(Finding(split, folder, text))
        if split not in expected and split != "test" and not frames[split]:
            findings.append(Finding(split, folder, "no frame at all: get this half of the data"))
        for city in empty_cities(root, split):
            findings.append(Finding(split, city, "an empty city folder: unpack that city again, or remove it"))
        for frame in frames[split]:
            other = seen.setdefault(frame.stem.casefold(), frame)
            if other is not frame:
                text = f"the same stem as {other.image.relative_to(root)}: each frame needs its own; remove one"
                findings.append(Finding(split, frame.image, text))
        stems = {(frame.city, frame.stem) for frame in frames[split]}
        for path in sorted((root / "gtFine" / split).glob("*/*")):
            stem, mark, _ = path.name.rpartition("_gtFine_")
            if mark and not path.name.startswith(".") and (path.parent.name, stem) not in stems:
                findings.append(
                    Finding(split, path, f"no image {stem}{IMAGE_END} belongs to it: get that, or remove this")
                )
    return findings


def _look_at_frames(frames: Sequence[Frame], fast: bool) -> list[Finding]:
    return [found for frame in frames for found in _look_at_frame(frame, fast)]


def _look_at_frame(frame: Frame, fast: bool) -> list[Finding]:
    findings = []

    def attempt(path: Path, check, *args):
        try:
            return check(*args)
        except CourseError as wrong:
            # The sentences begin with the file, which has its own column here.
            text = str(wrong).removeprefix(str(path)).lstrip(": ").rstrip(".")
            findings.append(Finding(frame.split, path, text))
        except OSError as wrong:
            findings.append(Finding(frame.split, path, f"cannot be read ({wrong.strerror}): get that file again"))
        return None

    there = {kind for kind in ANNOTATIONS if frame.annotation(kind).is_file()}
    if frame.split != "test" and "labelTrainIds" not in there:
        what = "run prepare, which makes it" if there else "get the gtFine that belongs to the images"
        findings.append(Finding(frame.split, frame.label, f"the label of {frame.image.name} is missing: {what}"))
    header = attempt(frame.image, check_camera_image, frame)
    if header is None:
        return findings
    if not fast:
        attempt(frame.image, _decode_image, frame.image)
    for kind in sorted(there):
        path, before = frame.annotation(kind), len(findings)
        if kind == "polygons":
            if not fast:
                attempt(path, _check_polygons, path, header)
            continue
        attempt(path, check_annotation, frame, kind, header)
        if not fast and len(findings) == before:
            attempt(path, _check_values, frame, kind)
    return findings


def _decode_image(path: Path) -> None:
    _check_sums(path)
    try:
        png.decode(read_bytes(path))
    except png.BadPicture as wrong:
        raise CourseError(f"{path} {wrong}; get that file again.") from wrong


def _check_sums(path: Path) -> None:
    try:
        png.check_sums(read_bytes(path))
    except png.BadPicture as wrong:
        raise CourseError(f"{path} {wrong}; get that file again.") from wrong


def _check_values(frame: Frame, kind: str) -> None:
    path = frame.annotation(kind)
    _check_sums(path)
    if kind == "labelTrainIds":
        read_label(frame)
    elif kind == "labelIds":
        read_label_ids(path)
    elif kind == "instanceIds":
        read_instance_ids(path)
    else:
        _decode_image(path)


def _check_polygons(path: Path, image: png.Header) -> None:
    polygons = read_polygons(path)
    if (polygons["imgWidth"], polygons["imgHeight"]) != (image.width, image.height):
        raise CourseError(
            f"{path} is for {polygons['imgWidth']} x {polygons['imgHeight']} pixels and its image has "
            f"{image.size}: get both from the same release."
        )
