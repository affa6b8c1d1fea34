"""Compute the statistics of many frames in parallel and cache them by content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json
from helpers.common.parallel import in_processes
from helpers.datasets.dataset import Frame
from helpers.datasets.statistics import VERSION, Statistics, tally

CACHE = PROJECT / "data" / "statistics"
_HEAD, _TAIL = 33, 20  # bytes: signature and header; Adler-32 of the pixels, CRC-32 of their last chunk, end mark


def scan(frames: Sequence[Frame], *, workers: int | None = None, cache: Path | None = CACHE) -> Statistics:
    """Return the statistics of labelled frames (train or val).

    workers: number of processes, see `in_processes`. cache: folder for results, keyed by `content_key`; None reads
    every frame. A read-only folder is not an error. Raise CourseError if there are no frames or one is damaged.
    """
    if not frames:
        raise CourseError("Expected at least one frame, got an empty list: check the split.")
    path = cache / f"{content_key(frames)}.json" if cache else None
    if path and (cached := _read_cache(path)):
        return cached
    total = Statistics.empty(len(frames[0].dataset.classes))
    for part in in_processes(tally_all, frames, workers=workers, chunk=4, desc="statistics"):
        total.add(part)
    if path:
        try:
            write_json(path, total.to_json())
        except OSError:
            pass  # read-only installation: compute again next time
    return total


def tally_all(frames: Sequence[Frame]) -> Statistics:
    """Sum the statistics of some frames in this process."""
    total = Statistics.empty(len(frames[0].dataset.classes))
    for frame in frames:
        total.add(tally(frame))
    return total


def content_key(frames: Sequence[Frame]) -> str:
    """Return a hash of the content of `frames`: it changes with any pixel in any file, and is the same for a copy.

    A PNG ends with the Adler-32 checksum of its pixel data. Its header, last bytes and size therefore identify the
    content, so that hashing thousands of frames takes a second. Other images are hashed by size and time of change.
    """
    digest = hashlib.sha256(f"statistics {VERSION} {frames[0].dataset.classes}".encode())
    for frame in frames:
        digest.update(f"\n{frame.split}/{frame.group}/{frame.stem}".encode())
        for path in (frame.image, frame.label, frame.annotation("instanceIds")):
            digest.update(_fingerprint(path) if path else b"none")
    return digest.hexdigest()[:32]


def _fingerprint(path: Path) -> bytes:
    try:
        if path.suffix.lower() != ".png":
            return b"%d %d" % (path.stat().st_size, path.stat().st_mtime_ns)
        with open(path, "rb") as file:
            start = file.read(_HEAD)
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            return b"%d %b %b" % (size, start, file.read())
    except FileNotFoundError:
        return b"none"


def _read_cache(path: Path) -> Statistics | None:
    try:
        return Statistics.from_json(read_json(path))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged: compute again
