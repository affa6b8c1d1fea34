"""Map a function over many items in worker processes, with a progress bar and bounded memory."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.common.runtime import usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

START_SECONDS = 4.0  # to start workers, which import OpenCV, pandas and more


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
        Number of processes; 0 and 1 run in this process. By default one per usable core, if that saves more than
        starting them costs, judged by the time of the first chunk in this process.
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
    with progress(total=len(items), desc=desc, unit=unit, delay=1.0) as bar:
        if workers is None:
            done = _by_default(function, parts)
        else:
            done = _serial(function, parts) if workers <= 1 else _parallel(function, parts, workers)
        for count, result in done:
            bar.update(count)
            yield result


def _by_default(function, parts):
    started = time.monotonic()
    yield from _serial(function, parts[:1])
    rest, cores = parts[1:], min(usable_cores(), len(parts) - 1)
    expected = (time.monotonic() - started) * len(rest)
    if cores > 1 and expected * (1 - 1 / cores) > START_SECONDS:
        yield from _parallel(function, rest, cores)
    else:
        yield from _serial(function, rest)


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
            "with fewer workers; in a script of your own, make the call under `if __name__ == '__main__':`."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group; only the parent handles it. One OpenCV thread per process, since the
    # processes already use all cores.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
