"""The same function on many items in several processes, with a progress bar and constant memory."""

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
    """Yield `function(part)` for parts of at most `chunk` items each, in the order in which they get ready.

    `workers`: number of processes; by default one per usable core, but none for less than four chunks, where starting
    processes would take longer than the work. Zero and one run here, in this process. `function` must be importable
    by name. At most three parts per process are under way, so memory does not grow with the number of items. The
    first exception ends all and is raised here.
    """
    parts = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    if workers is None:
        workers = min(usable_cores(), len(parts)) if len(parts) >= 4 else 1
    with progress(total=len(items), desc=desc, unit=unit, delay=1.0) as bar:
        done = _here(function, parts) if workers <= 1 else _there(function, parts, workers)
        for count, result in done:
            bar.update(count)
            yield result


def _here(function, parts):
    for part in parts:
        yield len(part), function(part)


def _there(function, parts, workers):
    # A fresh interpreter for each process: forking one that has started threads (Jupyter, OpenCV, Paddle) can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    waiting = iter(parts)
    under_way = {}
    try:
        while True:
            while len(under_way) < 3 * workers and (part := next(waiting, None)) is not None:
                under_way[pool.submit(function, part)] = len(part)
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                yield under_way.pop(future), future.result()
    except BrokenProcessPool as error:
        raise CourseError(
            f"One of the {workers} worker processes was killed, most likely for want of memory: run again with "
            "fewer workers."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C goes to the whole process group; only the parent shall act on it. One thread each: processes are the
    # parallelism here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
