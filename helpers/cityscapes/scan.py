"""The statistics of many frames: in several processes, and only once for the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from helpers.cityscapes.frames import Frame
from helpers.cityscapes.statistics import VERSION, Statistics, tally
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json
from helpers.common.parallel import in_processes

CACHE = PROJECT / "data" / "statistics"
_HEAD, _TAIL = 33, 20  # bytes: signature and header; Adler-32 of the pixels, CRC-32 of their last chunk, end mark


def scan(frames: Sequence[Frame], *, workers: int | None = None, cache: Path | None = CACHE) -> Statistics:
    """The statistics of `frames`, which must be labelled (train or val).

    `cache`: folder in which results are kept by content, see `content_key`; None reads every frame again. A folder
    that cannot be written is left alone. Raises CourseError when there is no frame or one is damaged.
    """
    if not frames:
        raise CourseError("There is nothing to count: the list of frames is empty.")
    path = cache / f"{content_key(frames)}.json" if cache else None
    if path and (kept := _read(path)):
        return kept
    total = Statistics()
    for part in in_processes(tally_all, frames, workers=workers, chunk=4, desc="statistics"):
        total.add(part)
    if path:
        try:
            write_json(path, total.to_json())
        except OSError:
            pass  # a read-only installation: counted again next time
    return total


def tally_all(frames: Sequence[Frame]) -> Statistics:
    """The sum of the statistics of some frames, in this process."""
    total = Statistics()
    for frame in frames:
        total.add(tally(frame))
    return total


def content_key(frames: Sequence[Frame]) -> str:
    """A name for the content of `frames`: other pixels in any of their files give another one, a copy the same.

    A PNG ends with the Adler-32 checksum of all its pixel data, so its header, its last bytes and its size stand for
    the content, and thousands of frames are told apart in a second without being read.
    """
    digest = hashlib.sha256(f"statistics {VERSION}".encode())
    for frame in frames:
        digest.update(f"\n{frame.split}/{frame.city}/{frame.stem}".encode())
        for path in (frame.image, frame.label, frame.annotation("instanceIds")):
            digest.update(_fingerprint(path))
    return digest.hexdigest()[:32]


def _fingerprint(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            start = file.read(_HEAD)
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            return b"%d %b %b" % (size, start, file.read())
    except FileNotFoundError:
        return b"none"


def _read(path: Path) -> Statistics | None:
    try:
        return Statistics.from_json(read_json(path))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or not whole: count again
