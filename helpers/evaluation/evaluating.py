"""Predict labelled frames and count: reading and counting run beside the network, memory stays the same."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from helpers.cityscapes import Frame, png, read_image, read_label
from helpers.cityscapes.frames import read_bytes
from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.common.parallel import in_processes
from helpers.common.progress import progress
from helpers.devices import use_device
from helpers.evaluation.opening import WHOLE, PredictFn, Segmenter, open_network, require_rgb
from helpers.evaluation.pictures import write_picture
from helpers.evaluation.scores import Scores, confusion_matrix, scores
from helpers.evaluation.views import Views

STAGES = ("read", "prepare", "network", "score", "keep")
AHEAD = 2  # frames that are read while the network is at work; more would only take memory


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found. Stands for its confusion matrix wherever an array is expected.

    `stems`: name of each frame; `frame_matrices` int64 (frames, 19, 19): the confusion matrix of each, 3 KB;
    `seconds`: work of each stage summed over the frames, and "total" from the first frame to the last result. The
    stages of one process overlap, so they may add up to more than the total.
    """

    stems: tuple[str, ...]
    frame_matrices: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def matrix(self) -> np.ndarray:
        """Confusion matrix over all frames, int64 (19, 19)."""
        return self.frame_matrices.sum(axis=0)

    @property
    def scores(self) -> Scores:
        """Scores over all frames: derived from the sum of the matrices, not averaged over frames."""
        return scores(self.matrix)

    def frame_scores(self) -> list[Scores]:
        """Scores of each frame on its own; an ignored frame has NaN."""
        return [scores(matrix) for matrix in self.frame_matrices]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.matrix if dtype is None else self.matrix.astype(dtype)

    def save(self, path: str | Path) -> None:
        """Write stems, matrices and seconds as a NumPy archive; the name ends in .npz."""
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                stems=np.array(self.stems),
                frame_matrices=self.frame_matrices,
                stages=np.array(list(self.seconds)),
                seconds=np.array(list(self.seconds.values())),
            )

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read what `save` wrote. Raises CourseError when it is something else."""
        try:
            with np.load(path, allow_pickle=False) as saved:
                seconds = dict(zip(saved["stages"].tolist(), saved["seconds"].tolist(), strict=True))
                return cls(tuple(saved["stems"].tolist()), saved["frame_matrices"], seconds)
        except (KeyError, ValueError, OSError) as error:
            raise CourseError(f"{path} is no saved evaluation: evaluate the network again.") from error


def evaluate(
    source: Segmenter | nn.Layer | PredictFn | str | Path,
    frames: Sequence[Frame],
    desc: str = "evaluating",
    *,
    weights: str | Path | None = None,
    engine: str = "",
    views: Views = WHOLE,
    workers: int = 1,
    keep: str | Path | None = None,
) -> Evaluation:
    """Predict every frame and count what was right, one frame at a time.

    `source`, `weights`, `engine` and `views` are those of `open_network`: a network, its name and weights, an exported
    model, or a function. The next frames are read, and those before counted, while the network is at work.

    With `keep`, a folder, each prediction stays there as a picture, for `read_prediction`.

    `workers` above 1 starts as many processes, each with a part of the frames and with as many threads as this one;
    then the source is a name or a path, which each process opens for itself. The result is exactly that of one process.
    Raises CourseError when there are no frames, one cannot be read, or a prediction has another size than its label.
    """
    frames = list(frames)
    if not frames:
        raise CourseError("There is nothing to evaluate: the list of frames is empty.")
    if workers < 1:
        raise CourseError(f"An evaluation needs at least one process, not {workers}.")
    options = {"weights": weights, "engine": engine, "views": views}
    if keep is not None:
        Path(keep).mkdir(parents=True, exist_ok=True)
    if workers > 1:
        return _in_processes(source, frames, desc, options, workers, keep)
    return _evaluate(open_network(source, **options), frames, desc, keep)


def read_prediction(folder: str | Path, frame: Frame) -> np.ndarray:
    """The train ids uint8 (H, W) that `evaluate(..., keep=folder)` left for `frame`."""
    path = _kept(folder, frame)
    if not path.is_file():
        raise CourseError(f"{path} is missing: evaluate the network with keep={str(folder)!r} first.")
    return png.decode(read_bytes(path))


def _kept(folder: str | Path, frame: Frame) -> Path:
    return Path(folder) / f"{frame.stem}_trainIds.png"


def _evaluate(network: Segmenter, frames: list[Frame], desc: str | None, keep: str | Path | None) -> Evaluation:
    # The network runs in this thread: in others, the C library hands large buffers back to the system after each use.
    clock = _Clock()

    def read(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        with clock("read"):
            image, truth = read_image(frame), read_label(frame)
        with clock("prepare"):
            require_rgb(image)
            return network.prepare(image), truth

    def count(labels: np.ndarray, truth: np.ndarray, frame: Frame) -> np.ndarray:
        with clock("score"):
            matrix = _count(labels, truth, frame)
        if keep is not None:
            with clock("keep"):
                write_picture(_kept(keep, frame), labels)
        return matrix

    started = time.perf_counter()
    matrices: list[np.ndarray] = []
    reading: deque[Future] = deque()
    counting: deque[Future] = deque()
    rest = iter(frames)
    bar = nullcontext() if desc is None else progress(total=len(frames), desc=desc, unit="frame")
    with bar, ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "count") as counter:
        try:
            for frame in frames:
                while len(reading) <= AHEAD and (following := next(rest, None)) is not None:
                    reading.append(reader.submit(read, following))
                prepared, truth = reading.popleft().result()
                with clock("network"):
                    labels = network.labels(prepared)
                counting.append(counter.submit(count, labels, truth, frame))
                if len(counting) > AHEAD:
                    matrices.append(counting.popleft().result())
                if desc is not None:
                    bar.update()
            matrices += [future.result() for future in counting]
        finally:
            for future in reading:
                future.cancel()
    seconds = {**clock.seconds, "total": time.perf_counter() - started}
    return Evaluation(tuple(frame.stem for frame in frames), np.stack(matrices), seconds)


def _count(labels: np.ndarray, truth: np.ndarray, frame: Frame) -> np.ndarray:
    try:
        return confusion_matrix(labels, truth)
    except CourseError as error:
        raise CourseError(f"{frame.stem}: {error}") from error


class _Clock:
    """Seconds of work in each stage; in a thread beside the network it counts only what that thread computed."""

    def __init__(self):
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        # A reading thread that waits for its turn on a busy core does no work meanwhile; the network has threads that
        # its own clock does not see.
        now = time.perf_counter if stage == "network" else time.thread_time
        started = now()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[stage] += now() - started


def _in_processes(source, frames: list[Frame], desc: str, options: dict, workers: int, keep) -> Evaluation:
    if not isinstance(source, (str, Path)):
        raise CourseError(
            "Several processes cannot share a network in memory: give its name and weights, or the folder of an "
            "exported model."
        )
    open_network(source, **options)  # a mistake is told here, once
    started = time.perf_counter()
    chunk = min(8, -(-len(frames) // workers))
    found: dict[str, np.ndarray] = {}
    seconds = dict.fromkeys(STAGES, 0.0)
    work: Callable = partial(_evaluate_part, str(source), tuple(options.items()), keep, paddle.get_device())
    for part in in_processes(work, frames, workers=workers, chunk=chunk, desc=desc):
        found.update(zip(part.stems, part.frame_matrices, strict=True))
        for stage in STAGES:
            seconds[stage] += part.seconds[stage]
    seconds["total"] = time.perf_counter() - started
    return Evaluation(tuple(f.stem for f in frames), np.stack([found[f.stem] for f in frames]), seconds)


def _evaluate_part(
    source: str, options: tuple, keep: str | Path | None, device: str, frames: list[Frame]
) -> Evaluation:
    return _evaluate(_opened(source, options, device), frames, None, keep)


@lru_cache(maxsize=1)
def _opened(source: str, options: tuple, device: str) -> Segmenter:
    # Each process opens the network at its first part of the frames and keeps it for the others. Several GPUs are dealt
    # out by the number at the end of the process's name (not tried: there was no GPU).
    if device.startswith("gpu"):
        number = int(multiprocessing.current_process().name.rpartition("-")[2])
        device = f"gpu:{number % paddle.device.cuda.device_count()}"
    use_device(device)
    return open_network(source, **dict(options))
