"""Map a function over many items in worker processes, with a progress bar and bounded memory."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.common.runtime import usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Sequence[Item]], Result],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    chunk: int = 8,
    desc: str = "",
    unit: str = "frame",
) -> Iterator[Result]:
    """Yield `function(part)` for each chunk of items, in the order of completion.

    Memory does not grow with the number of items: each process has at most three chunks queued or done.

    Parameters
    ----------
    function : callable
        Maps a sequence of items to a result. Worker processes import it by name.
    items : sequence
        Items to process.
    workers : int, optional
        Number of processes; 0 and 1 run in this process. By default one per usable core, or this process for fewer
        than four chunks, where starting workers takes longer than the work.
    chunk : int, default 8
        Largest number of items per call.
    desc, unit : str
        Title and unit of the progress bar.

    Raises
    ------
    CourseError
        If a worker process was killed.
    Exception
        The first exception that `function` raises; the remaining chunks are cancelled.
    """
    parts = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    if workers is None:
        workers = min(usable_cores(), len(parts)) if len(parts) >= 4 else 1
    with progress(total=len(items), desc=desc, unit=unit, delay=1.0) as bar:
        done = _serial(function, parts) if workers <= 1 else _parallel(function, parts, workers)
        for count, result in done:
            bar.update(count)
            yield result


def _serial(function, parts):
    for part in parts:
        yield len(part), function(part)


def _parallel(function, parts, workers):
    # Spawn instead of fork: a forked process can hang if its parent has threads (Jupyter, OpenCV, Paddle).
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    remaining = iter(parts)
    pending = {}
    try:
        while True:
            while len(pending) < 3 * workers and (part := next(remaining, None)) is not None:
                pending[pool.submit(function, part)] = len(part)
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()
    except BrokenProcessPool as error:
        raise CourseError(
            f"One of the {workers} worker processes was killed, most likely because of a lack of memory: run again "
            "with fewer workers."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group; only the parent handles it. One OpenCV thread per process, since the
    # processes already use all cores.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
