"""Load ahead of the training loop, in a thread or in processes; errors and Ctrl-C reach the caller at once.

`paddle.io.DataLoader` waits for ever if its thread fails, and forks processes, which can hang if another thread holds a
lock. The processes here are forked from a server without other threads, which imports Paddle once, and return their
results through pipes, so they need no room in /dev/shm.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import TypeVar

from helpers.common.errors import CourseError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(items: Iterable[Item], count: int = 2) -> Iterator[Item]:
    """Yield `items`, computed by a thread that is at most `count` of them ahead.

    An exception of `items` is raised here. Closing the iterator ends the thread after its current item. The thread does
    not keep Python from exiting.
    """
    ready: queue.Queue = queue.Queue(count)
    stopped = threading.Event()

    def work() -> None:
        try:
            for item in items:
                ready.put((item, None))
                if stopped.is_set():
                    return
            ready.put((None, StopIteration()))
        except BaseException as error:
            ready.put((None, error))

    threading.Thread(target=work, name="ahead", daemon=True).start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stopped.set()
        while not ready.empty():  # the thread may wait for room in the queue
            ready.get()


@contextmanager
def worker_processes(function: Callable[[Item], Result], workers: int) -> Iterator[Callable]:
    """Yield a `map` that calls `function` in `workers` processes, at most two items per process ahead, in order.

    `function` is sent to each process once. The processes end with the block, whatever they do. The map raises
    CourseError if a process is killed, and the exceptions of `function`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    try:
        pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(function,))
    except OSError as error:  # no semaphores, for example because /dev/shm cannot be written
        raise CourseError(f"Loader processes cannot be started ({error}): use --workers 0.") from error
    try:
        yield lambda items: _in_order(pool, items, workers)
    finally:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:  # one of them may wait for a disk
            process.kill()


def _in_order(pool: ProcessPoolExecutor, items: Iterable, workers: int) -> Iterator:
    pending: deque = deque()
    try:
        for item in items:
            pending.append(pool.submit(_call, item))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise CourseError(
            f"One of the {workers} loader processes was killed, most likely because of a lack of memory: run again "
            "with fewer workers."
        ) from error


_function: Callable | None = None  # of this worker process


def _start(function: Callable) -> None:
    global _function
    _function = function
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent handles it
    import cv2

    cv2.setNumThreads(1)  # the processes already use all cores


def _end_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])  # ready when the parent is killed
    os._exit(1)


def _call(item):
    return _function(item)
