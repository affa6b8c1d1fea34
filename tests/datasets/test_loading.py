"""Loading ahead: order, errors, Ctrl-C, and no thread or process that remains."""

import multiprocessing
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.datasets.loading import ahead, worker_processes


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def loading_threads():
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_ahead_keeps_the_order_and_is_bounded():
    started = []

    def items():
        for number in range(20):
            started.append(number)
            yield number

    source = ahead(items(), count=2)
    assert next(source) == 0
    time.sleep(0.1)
    assert len(started) <= 4  # one received, two in the queue, one that waits for room
    assert list(source) == list(range(1, 20))
    wait_until(lambda: not loading_threads())


def test_ahead_raises_the_exception_of_the_thread_in_its_place():
    def items():
        yield 1
        raise CourseError("a.png is damaged")

    source = ahead(items())
    assert next(source) == 1
    with pytest.raises(CourseError, match=r"a\.png"):
        next(source)
    wait_until(lambda: not loading_threads())


def test_closing_ends_the_thread():
    with closing(ahead(iter(range(10**9)))) as source:
        assert next(source) == 0
        assert loading_threads()
    wait_until(lambda: not loading_threads())


def test_ctrl_c_while_waiting():
    """The thread is stuck in a read that does not return."""
    release = threading.Event()

    def items():
        release.wait()
        yield 1

    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), closing(ahead(items())) as source:
        next(source)
    assert time.monotonic() - started < 5
    release.set()
    wait_until(lambda: not loading_threads())


def double_or_fail(number):
    if number < 0:
        raise CourseError(f"{number} is negative")
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 99:
        time.sleep(600)
    return 2 * number, os.getpid()


def test_processes():
    """One start of two processes, since it takes seconds: order, an exception, and a read that does not return."""
    with worker_processes(double_or_fail, 2) as load:
        results = list(load(range(12)))
        assert [value for value, _ in results] == [2 * number for number in range(12)]
        pids = {pid for _, pid in results}
        assert os.getpid() not in pids
        with pytest.raises(CourseError, match="-1 is negative"):
            list(load([1, -1, 2]))
        stuck = load([99, 99, 99, 99, 99])
        threading.Thread(target=lambda: pytest.raises(CourseError, list, stuck), daemon=True).start()
        time.sleep(0.2)
        started = time.monotonic()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert time.monotonic() - started < 10


def test_killed_process_is_reported():
    with worker_processes(double_or_fail, 1) as load, pytest.raises(CourseError, match="killed.*fewer workers"):
        list(load([13]))


def parent_of_a_worker(pipe):
    with worker_processes(double_or_fail, 1) as load:
        pipe.send(next(load([1, 99, 99]))[1])
        time.sleep(600)


def test_process_ends_when_its_parent_is_killed():
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    parent = context.Process(target=parent_of_a_worker, args=(there,))
    parent.start()
    pid = here.recv()
    assert Path(f"/proc/{pid}").exists()
    parent.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_without_semaphores(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device", "/dev/shm/sem")

    monkeypatch.setattr("helpers.datasets.loading.ProcessPoolExecutor", fail)
    with pytest.raises(CourseError, match="cannot be started.*--workers 0"), worker_processes(double_or_fail, 2):
        pass
