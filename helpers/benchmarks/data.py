"""How fast the data set is scanned, against decoding its PNG files alone on the same cores.

`data.scan_vs_decode`: time of `scan` over the time in which the same processes decode the same files (image, train ids
and instance ids of each frame) and do nothing else. `data.scan_fps`: frames a second. `data.scan_peak_mb`: peak memory
of all its processes together; what they share, such as libraries, is counted once for each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import cv2
import psutil

from helpers import miniscapes
from helpers.cityscapes import Frame, index, png
from helpers.cityscapes.frames import read_bytes
from helpers.cityscapes.scan import scan
from helpers.common.parallel import in_processes
from helpers.common.runtime import usable_cores

SIZE_HW = (1024, 2048)  # the size of Cityscapes
FRAMES = {"train": 24, "val": 8, "test": 1}  # each is scanned REPEATS times in a run, from the disk cache
REPEATS = 6
ROUNDS = 3


def run(folder: Path, root: Path | None = None) -> dict[str, float]:
    """Measure, interleaved, medians of three rounds. Generates MiniScapes of full size in `folder`, or takes `root`.

    Beside each ratio stand its two sides in frames a second and its spread, (largest - smallest) / median.
    """
    if root is None:
        root = miniscapes.generate(Path(folder) / "miniscapes_2048x1024", **FRAMES, size_hw=SIZE_HW)
        frames = REPEATS * [frame for split in ("train", "val") for frame in index(root, split)]
    else:
        frames = [frame for split in ("train", "val") for frame in index(root, split)]
    workers = usable_cores()
    sides = {"scan": [], "decode": []}
    peak_mb = 0.0
    for _ in range(ROUNDS):
        sides["decode"].append(_seconds(lambda: _decode_only(frames, workers)))
        with _peak_memory() as peak:
            sides["scan"].append(_seconds(lambda: scan(frames, workers=workers, cache=None)))
        peak_mb = max(peak_mb, peak.megabytes)
    ratios = [scanned / decoded for scanned, decoded in zip(sides["scan"], sides["decode"], strict=True)]
    return {
        "data.scan_vs_decode": median(ratios),
        "data.scan_vs_decode.spread": (max(ratios) - min(ratios)) / median(ratios),
        "data.scan_fps": len(frames) / median(sides["scan"]),
        "data.decode_fps": len(frames) / median(sides["decode"]),
        "data.scan_peak_mb": peak_mb,
        "data.scan_frames": len(frames),
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _decode_only(frames: Sequence[Frame], workers: int) -> None:
    for _ in in_processes(decode_frames, frames, workers=workers, chunk=4, desc="decoding alone"):
        pass


def decode_frames(frames: Sequence[Frame]) -> None:
    """Decode what a scan decodes of each frame, with the same decoder."""
    for frame in frames:
        png.decode(read_bytes(frame.image), cv2.IMREAD_COLOR)
        png.decode(read_bytes(frame.label))
        png.decode(read_bytes(frame.annotation("instanceIds")))


class _Peak:
    megabytes = 0.0


@contextmanager
def _peak_memory() -> Iterator[_Peak]:
    """Sample the resident memory of this process and its children twenty times a second."""
    peak, stop, me = _Peak(), threading.Event(), psutil.Process()

    def sample() -> None:
        while not stop.wait(0.05):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:  # ended in between
                    continue
            peak.megabytes = max(peak.megabytes, total / 1e6)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
