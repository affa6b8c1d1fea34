"""Predict labelled frames and count pixels; reading and counting run in parallel to the network."""

from __future__ import annotations

import multiprocessing
import threading
import time
import zipfile
import zlib
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

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.common.parallel import in_processes
from helpers.common.progress import progress
from helpers.datasets import Classes, Frame, png, read_pair
from helpers.datasets.frames import read_bytes
from helpers.datasets.pictures import write_picture
from helpers.devices import use_device
from helpers.evaluation.opening import WHOLE, PredictFn, Segmenter, open_network, require_classes, require_rgb
from helpers.evaluation.scores import Scores, confusion_matrix, scores
from helpers.evaluation.views import Views

STAGES = ("read", "prepare", "network", "score", "keep")
AHEAD = 2  # frames to read while the network is busy; more would only need memory


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of `evaluate`. NumPy converts it to its confusion matrix.

    `stems`: name of each frame; `frame_matrices`: confusion matrix of each frame, int64 (frames, classes, classes), 3
    KB each for 19 classes; `seconds`: work of each stage, summed over the frames, and "total", from the first frame to
    the last result; the stages of one process overlap, so their sum may exceed the total; `classes`: of the data.
    """

    stems: tuple[str, ...]
    frame_matrices: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)
    classes: Classes | None = None

    @property
    def matrix(self) -> np.ndarray:
        """Confusion matrix over all frames, int64 (classes, classes)."""
        return self.frame_matrices.sum(axis=0)

    @property
    def scores(self) -> Scores:
        """Scores over all frames, computed from the sum of the matrices, not averaged over frames."""
        return scores(self.matrix, self.classes)

    def frame_scores(self) -> list[Scores]:
        """Return the scores of each frame; NaN for a frame without evaluated pixels."""
        return [scores(matrix, self.classes) for matrix in self.frame_matrices]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.matrix if dtype is None else self.matrix.astype(dtype)

    def save(self, path: str | Path) -> None:
        """Write stems, matrices, seconds and classes to a NumPy archive.

        Raises CourseError if the name of `path` does not end in .npz, or it cannot be written.
        """
        path, classes = check_save_path(path), self.classes
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                stems=np.array(self.stems),
                frame_matrices=self.frame_matrices,
                stages=np.array(list(self.seconds)),
                seconds=np.array(list(self.seconds.values())),
                names=np.array(classes.names if classes else (), dtype=np.str_),
                colours=np.array(classes.colours if classes else (), dtype=np.int64),
                categories=np.array(classes.categories if classes else (), dtype=np.str_),
            )

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read a file that `save` wrote. Raises CourseError if it is not one."""
        try:
            with np.load(path, allow_pickle=False) as saved:
                seconds = dict(zip(saved["stages"].tolist(), saved["seconds"].tolist(), strict=True))
                classes = None
                if saved["names"].size:
                    colours = tuple(map(tuple, saved["colours"].tolist()))
                    categories = tuple(saved["categories"].tolist())
                    classes = Classes(tuple(saved["names"].tolist()), colours, categories=categories)
                return cls(tuple(saved["stems"].tolist()), saved["frame_matrices"], seconds, classes)
        except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise CourseError(f"{path} is not a saved evaluation: evaluate the network again.") from error


def check_save_path(path: str | Path) -> Path:
    """Return the path for `Evaluation.save`. Raise CourseError if its name does not end in .npz, or it is a folder."""
    path = Path(path)
    if path.suffix != ".npz" or path.is_dir():
        raise CourseError(f"Expected a file name that ends in .npz, got {path}: choose a name such as scores.npz.")
    return path


def evaluate(
    source: Segmenter | nn.Layer | PredictFn | str | Path,
    frames: Sequence[Frame],
    desc: str = "evaluating",
    *,
    weights: str | Path | None = None,
    pretrained: str | None = None,
    engine: str = "",
    views: Views = WHOLE,
    workers: int = 1,
    keep: str | Path | None = None,
) -> Evaluation:
    """Predict every frame and count pixels by true and predicted class.

    The next frames are read, and the previous ones counted, while the network computes. Frames may differ in size.

    Parameters
    ----------
    source : Segmenter, Layer, function, str or Path
        A network, its name, an exported model, or a function, see `open_network`.
    frames : sequence of Frame
        Labelled frames, at least one.
    desc : str, default "evaluating"
        Title of the progress bar.
    weights, pretrained, engine, views
        Arguments of `open_network`.
    workers : int, default 1
        Processes. Above 1, each one opens `source`, a name or a path, evaluates a part of the frames, and has as many
        threads as this process. The result is exactly that of one process.
    keep : str or Path, optional
        Folder in which to save each prediction as an image, for `read_prediction`.

    Returns
    -------
    Evaluation
        Confusion matrix of each frame, and the time of each stage.

    Raises
    ------
    CourseError
        If there are no frames, one cannot be read, the network has another number of classes than the data, or a
        prediction has another size than its label.
    """
    frames = list(frames)
    if not frames:
        raise CourseError("Expected at least one frame to evaluate, got an empty list.")
    if workers < 1:
        raise CourseError(f"Expected at least one process, got workers={workers}.")
    options = {"weights": weights, "pretrained": pretrained, "engine": engine, "views": views}
    if keep is not None:
        Path(keep).mkdir(parents=True, exist_ok=True)
    if workers > 1:
        return _in_processes(source, frames, desc, options, workers, keep)
    network = open_network(source, **options)
    require_classes(network.num_classes, frames[0].dataset, network.class_names)
    return _evaluate(network, frames, desc, keep)


def read_prediction(folder: str | Path, frame: Frame) -> np.ndarray:
    """Return the train ids uint8 (H, W) that `evaluate(..., keep=folder)` saved for `frame`.

    Raises CourseError if there are none.
    """
    path = _kept(folder, frame)
    if not path.is_file():
        raise CourseError(f"{path} is missing: evaluate the network with keep={str(folder)!r} first.")
    return png.decode(read_bytes(path))


def _kept(folder: str | Path, frame: Frame) -> Path:
    return Path(folder) / f"{frame.stem}_trainIds.png"


def _evaluate(network: Segmenter, frames: list[Frame], desc: str | None, keep: str | Path | None) -> Evaluation:
    # The network runs in this thread: in others, the C library returns large buffers to the system after each use.
    clock = _Clock()

    def read(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        with clock("read"):
            image, truth = read_pair(frame)
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
    return Evaluation(tuple(frame.stem for frame in frames), np.stack(matrices), seconds, frames[0].dataset.classes)


def _count(labels: np.ndarray, truth: np.ndarray, frame: Frame) -> np.ndarray:
    try:
        return confusion_matrix(labels, truth, len(frame.dataset.classes))
    except CourseError as error:
        raise CourseError(f"{frame.stem}: {error}") from error


class _Clock:
    """Seconds of work in each stage; for reading and counting, only the CPU time of their thread."""

    def __init__(self):
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        # A reading thread that waits for a busy core does no work meanwhile. The network has threads of its own, which
        # the CPU time of this thread does not include.
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
            "Several processes cannot share a network in memory: pass its name and weights, or the folder of an "
            "exported model."
        )
    network = open_network(source, **options)  # raise errors once, in this process
    require_classes(network.num_classes, frames[0].dataset, network.class_names)
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
    matrices = np.stack([found[frame.stem] for frame in frames])
    return Evaluation(tuple(frame.stem for frame in frames), matrices, seconds, frames[0].dataset.classes)


def _evaluate_part(
    source: str, options: tuple, keep: str | Path | None, device: str, frames: list[Frame]
) -> Evaluation:
    return _evaluate(_opened(source, options, device), frames, None, keep)


@lru_cache(maxsize=1)
def _opened(source: str, options: tuple, device: str) -> Segmenter:
    # Each process opens the network for its first part of the frames and keeps it for the others. The number at the end
    # of the process name chooses one of several GPUs (not tested: there was no GPU).
    if device.startswith("gpu"):
        number = int(multiprocessing.current_process().name.rpartition("-")[2])
        device = f"gpu:{number % paddle.device.cuda.device_count()}"
    use_device(device)
    return open_network(source, **dict(options))
