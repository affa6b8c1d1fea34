"""Label a video: decode, infer and encode in three overlapping stages."""

from __future__ import annotations

import mmap
import queue
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.common.os_errors import readable
from helpers.common.progress import progress
from helpers.datasets import Classes
from helpers.deployment.flicker import Flicker
from helpers.deployment.video_files import VIDEOS, VideoReader, VideoWriter
from helpers.plotting.base import overlay

QUEUED = 4  # frames between two stages: enough to even out times, without filling the memory
POLL_S = 0.1  # after which a waiting stage looks whether another one has failed
GRACE_S = 1.0  # that a stage gets to end once another one has failed
WARM_UP = 2 * QUEUED + 2  # frames until all queues and caches are filled


@dataclass(frozen=True)
class VideoReport:
    """Result of `label_video`.

    Attributes
    ----------
    path : Path
        The labelled video, or the folder of PNG files.
    frames : int
        Number of labelled frames.
    seconds : float
        Time from the first frame's decoding to the finished file, without that of choosing an engine.
    stage_seconds : dict of str to float
        Busy time of each stage: decode, infer, draw and encode, flicker. They overlap, except the last two, which
        share a thread.
    growth_mb : float or None
        How far the memory of the process rose above its size after the first WARM_UP frames, in 10^6 bytes; None for
        shorter videos, and where there is no /proc.
    flicker : float or None
        Share of pixels whose class changes although the image does not, see `helpers.deployment.flicker`; None if it
        was not measured.
    """

    path: Path
    frames: int
    seconds: float
    stage_seconds: dict[str, float]
    growth_mb: float | None
    flicker: float | None

    @property
    def frames_per_second(self) -> float:
        """Frames a second from end to end."""
        return self.frames / self.seconds

    @property
    def stage_frames_per_second(self) -> dict[str, float]:
        """Frames a second that each stage would reach alone."""
        return {stage: self.frames / seconds for stage, seconds in self.stage_seconds.items() if seconds}

    def __str__(self) -> str:
        stages = ", ".join(f"{stage} {rate:.1f}" for stage, rate in self.stage_frames_per_second.items())
        lines = [
            f"{self.frames} frames in {self.seconds:.1f} s: {self.frames_per_second:.1f} frames/s",
            f"each stage alone, frames/s: {stages}",
        ]
        if self.growth_mb is not None:
            lines.append(f"memory growth after {WARM_UP} frames: {self.growth_mb:.0f} MB")
        if self.flicker is not None:
            lines.append(f"flicker: {100 * self.flicker:.2f} % of the pixels a frame")
        return "\n".join(lines)


class _Stopped(Exception):
    """Another stage has ended the run."""


class _Pipeline:
    """Threads that pass items through bounded queues; the first exception in any of them stops all."""

    def __init__(self):
        self.errors: list[BaseException] = []
        self.busy: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, stage: Callable[[], None]) -> None:
        # Daemons, so that a decoder that hangs cannot keep the process alive.
        thread = threading.Thread(target=self._guard, args=(stage,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guard(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except _Stopped:
            pass
        except BaseException as error:
            self.errors.append(error)
            self._stop.set()

    def put(self, target: queue.Queue, item: Any) -> None:
        while not self._stop.is_set():
            try:
                return target.put(item, timeout=POLL_S)
            except queue.Full:
                continue
        raise _Stopped

    def get(self, source: queue.Queue) -> Any:
        while not self._stop.is_set():
            try:
                return source.get(timeout=POLL_S)
            except queue.Empty:
                continue
        raise _Stopped

    def timed(self, stage: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.busy[stage] = self.busy.get(stage, 0.0) + time.perf_counter() - started

    def wait(self) -> None:
        """Wait until all stages have ended; raise the first error of any."""
        while any(thread.is_alive() for thread in self._threads) and not self._stop.is_set():
            for thread in self._threads:
                thread.join(POLL_S)
        self.raise_error()

    def raise_error(self) -> None:
        if self.errors:
            raise self.errors[0]

    def stop(self) -> None:
        """End all stages, and wait for at most GRACE_S."""
        self._stop.set()
        end = time.monotonic() + GRACE_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))


def label_video(
    source: str | Path,
    target: str | Path,
    predictor: Callable[[np.ndarray], np.ndarray],
    *,
    classes: Classes | None = None,
    opacity: float = 0.6,
    limit: int | None = None,
    flicker: bool = True,
    show: bool = True,
) -> VideoReport:
    """Draw the predicted classes over each frame of a video, and write the result to `target`.

    Decoding and encoding have a thread each, and the predictor runs in the calling one. Queues between them are
    bounded, so memory does not depend on the length of the video. An error in any of them ends the run after the frame
    that is being predicted. `target` is written atomically: after an error or Ctrl-C nothing of it exists.

    Parameters
    ----------
    source : path
        Video file, or a folder of images in natural order.
    target : path
        Name ending in .mp4 or .avi, or without suffix, for a folder of PNG files.
    predictor : callable
        `Predictor` or function: uint8 RGB (H, W, 3) to train ids uint8 (H, W).
    classes : Classes, optional
        Names and colours of the train ids, by default those of the predictor.
    opacity : float, default 0.6
        Opacity of the colours, 0 to 1.
    limit : int, optional
        Largest number of frames.
    flicker : bool, default True
        Measure flicker, which takes 10 to 80 ms a frame in the thread that encodes.
    show : bool, default True
        Draw a progress bar.

    Raises
    ------
    CourseError
        If the source cannot be read, `target` exists or cannot be written, or the classes are not known.
    """
    target = Path(target)
    classes = getattr(predictor, "classes", None) if classes is None else classes
    if classes is None:
        raise CourseError("The names and colours of the network's classes are not known: pass `classes`.")
    if not 0 <= opacity <= 1:
        raise CourseError(f"Expected an opacity from 0 to 1, got {opacity}.")
    if limit is not None and limit < 1:
        raise CourseError(f"Expected a limit of at least one frame, got {limit}.")
    if target.suffix and target.suffix.lower() not in VIDEOS:
        raise CourseError(
            f"Expected a target ending in {' or '.join(VIDEOS)}, or a folder without a suffix, got {readable(target)}: "
            "change its name."
        )
    if target.exists() or target.is_symlink():
        raise CourseError(f"{readable(target)} exists already: remove it, or choose another target.")
    with closing(VideoReader(source)) as reader, atomic_path(target) as temporary:
        return _run(reader, temporary, target, predictor, partial(_draw, classes, opacity), limit, flicker, show)


def _draw(classes: Classes, opacity: float, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return overlay(frame, labels, classes, opacity)


def _run(reader, temporary, target, predictor, draw, limit, flicker, show) -> VideoReport:
    pipeline, meter = _Pipeline(), Flicker() if flicker else None
    decoded, labelled = queue.Queue(QUEUED), queue.Queue(QUEUED)

    def decode() -> None:
        frames = reader.frames(limit)
        while (frame := pipeline.timed("decode", lambda: next(frames, None))) is not None:
            pipeline.put(decoded, frame)
        pipeline.put(decoded, None)

    def encode() -> None:
        with closing(VideoWriter(temporary, reader.rate)) as writer:
            while (item := pipeline.get(labelled)) is not None:
                pipeline.timed("encode", lambda item=item: writer.write(draw(*item)))
                if meter:
                    pipeline.timed("flicker", lambda item=item: meter.add(*item))
            pipeline.timed("encode", writer.close)
            writer.check()

    total = min(reader.announced or np.inf, limit or np.inf)
    number, first, highest, started = 0, None, 0.0, time.perf_counter()
    try:
        pipeline.start(decode)
        pipeline.start(encode)
        bar = progress(desc="labelling", unit="frame", total=None if total == np.inf else total, disable=not show)
        with bar:
            while (frame := pipeline.get(decoded)) is not None:
                if getattr(predictor, "engine", "") == "auto":  # chosen on the first frame; not part of the rate
                    choosing = time.perf_counter()
                    predictor(frame)
                    started += time.perf_counter() - choosing
                labels = pipeline.timed("infer", lambda frame=frame: predictor(frame))
                pipeline.put(labelled, (frame, labels))
                number += 1
                bar.update(1)
                if number >= WARM_UP and (now := _resident()) is not None:
                    first = now if first is None else first
                    highest = max(highest, now)
            pipeline.put(labelled, None)
            pipeline.wait()
    except _Stopped:
        pipeline.raise_error()
    finally:
        pipeline.stop()
    return VideoReport(
        target,
        number,
        time.perf_counter() - started,
        {stage: pipeline.busy[stage] for stage in ("decode", "infer", "encode", "flicker") if stage in pipeline.busy},
        None if first is None else (highest - first) / 1e6,
        meter.share if meter else None,
    )


def _resident() -> float | None:
    """Return the bytes of this process that are in memory, None on systems other than Linux."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return float(pages * mmap.PAGESIZE)
