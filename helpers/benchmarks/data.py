"""Speed of the scan of a data set, relative to decoding the same PNG files on the same cores and nothing else.

- `data.scan_vs_decode`: time of `scan` over the time in which as many processes decode the same files: image, train
  ids and instance ids of each frame. Median of the rounds.
- `data.scan_vs_decode.spread`: (largest - smallest) / median over the rounds.
- `data.scan_fps`, `data.decode_fps`: frames per second of both sides, medians.
- `data.scan_peak_mb`: peak memory of all processes of a scan together, in 10^6 bytes. Memory that they share, such as
  libraries, is counted once for each process.
- `data.scan_frames`: number of frames in a scan.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import psutil

from helpers import miniscapes
from helpers.benchmarks.timing import paired_ratio, seconds
from helpers.common.parallel import in_processes
from helpers.common.runtime import usable_cores
from helpers.datasets import Frame, open_dataset, png
from helpers.datasets.frames import read_bytes
from helpers.datasets.scan import scan


@dataclass(frozen=True)
class Size:
    """How much to measure: frames of `size_hw` (height, width) pixels, each read `repeats` times in a scan."""

    size_hw: tuple[int, int] = (1024, 2048)  # as Cityscapes
    train: int = 24
    val: int = 8
    repeats: int = 6
    rounds: int = 3


FULL = Size()
TINY = Size(size_hw=(64, 128), train=2, val=1, repeats=1, rounds=1)


def run(folder: Path, size: Size = FULL) -> dict[str, float]:
    """Generate MiniScapes in `folder` and measure both sides, interleaved, with the files in the disk cache."""
    root = miniscapes.generate(folder / "miniscapes", train=size.train, val=size.val, test=1, size_hw=size.size_hw)
    data = open_dataset(root)
    return compare(size.repeats * (data.frames("train") + data.frames("val")), size.rounds)


def compare(frames: Sequence[Frame], rounds: int = FULL.rounds) -> dict[str, float]:
    """Measure on `frames`, such as those of a data set of your own."""
    workers = usable_cores()
    scanned, decoded = [], []
    peak_mb = 0.0
    for _ in range(rounds):
        decoded.append(seconds(lambda: _decode_only(frames, workers)))
        with _peak_memory() as peak:
            scanned.append(seconds(lambda: scan(frames, workers=workers, cache=None)))
        peak_mb = max(peak_mb, peak.megabytes)
    return paired_ratio("data.scan_vs_decode", scanned, decoded) | {
        "data.scan_fps": len(frames) / median(scanned),
        "data.decode_fps": len(frames) / median(decoded),
        "data.scan_peak_mb": peak_mb,
        "data.scan_frames": len(frames),
    }


def _decode_only(frames: Sequence[Frame], workers: int) -> None:
    for _ in in_processes(decode_frames, frames, workers=workers, chunk=4, desc="decoding alone"):
        pass


def decode_frames(frames: Sequence[Frame]) -> None:
    """Decode the files that a scan decodes, with the same decoder."""
    for frame in frames:
        png.decode(read_bytes(frame.image), cv2.IMREAD_COLOR)
        png.decode(read_bytes(frame.label))
        png.decode(read_bytes(frame.annotation("instanceIds")))


class _Peak:
    megabytes = 0.0


@contextmanager
def _peak_memory() -> Iterator[_Peak]:
    """Sample the resident memory of this process and its children twenty times a second."""
    peak, stop, parent = _Peak(), threading.Event(), psutil.Process()

    def sample() -> None:
        while True:
            total = 0
            for process in (parent, *parent.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:  # it ended after it was listed
                    continue
            peak.megabytes = max(peak.megabytes, total / 1e6)
            if stop.wait(0.05):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
