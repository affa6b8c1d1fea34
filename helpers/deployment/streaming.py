"""Predict a stream of frames, several at once, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from queue import SimpleQueue

import numpy as np

from helpers.common.errors import CourseError
from helpers.deployment.predictor import Predictor


def stream(predictor: Predictor, frames: Iterable[np.ndarray], in_flight: int = 2) -> Iterator[np.ndarray]:
    """Yield the labels of each of `frames`, in their order, while up to `in_flight` frames are predicted at once.

    On a GPU, one frame is copied while another one is computed. On a CPU, give the predictor fewer threads. Frames are
    read as they are needed, so memory does not grow with their number.
    Raises CourseError if `in_flight` is below 1, or a frame is not one.
    """
    if in_flight < 1:
        raise CourseError(f"Expected at least one frame in flight, got {in_flight}.")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        return
    predictor(first)  # "auto" chooses its engine before it is cloned
    with ExitStack() as stack:
        idle: SimpleQueue[Predictor] = SimpleQueue()
        for clone in [stack.enter_context(predictor.clone()) for _ in range(in_flight)]:
            clone(first)  # engines allocate in their first run, which must not overlap with others on a GPU
            idle.put(clone)

        def predict(frame: np.ndarray) -> np.ndarray:
            clone = idle.get()
            try:
                return clone(frame)
            finally:
                idle.put(clone)

        pool = stack.enter_context(ThreadPoolExecutor(in_flight))
        waiting: deque[Future[np.ndarray]] = deque()
        for frame in chain([first], frames):
            waiting.append(pool.submit(predict, frame))
            if len(waiting) > in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
