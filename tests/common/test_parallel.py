"""Chunks of items in worker processes, or in this one where that is faster."""

from __future__ import annotations

import os
import time

import pytest

from helpers.common import parallel
from helpers.common.errors import CourseError
from helpers.common.parallel import in_processes


def total(part):
    return sum(part), os.getpid()


def slow(part):
    time.sleep(0.3)
    return sum(part), os.getpid()


def killed(part):
    os._exit(9)


def unlucky(part):
    raise CourseError(f"{part[0]} is damaged: copy it again.")


@pytest.mark.parametrize("workers", [None, 0, 1, 2])
def test_every_item_is_counted_once(workers):
    found = list(in_processes(total, range(50), workers=workers, chunk=7))
    assert sum(value for value, _ in found) == sum(range(50)) and len(found) == 8


def test_no_items():
    assert list(in_processes(total, [])) == []


def test_short_work_stays_in_this_process():
    assert {process for _, process in in_processes(total, range(100), chunk=2)} == {os.getpid()}


def test_long_work_is_shared_after_the_first_chunk(monkeypatch):
    monkeypatch.setattr(parallel, "START_SECONDS", 0.5)
    monkeypatch.setattr(parallel, "usable_cores", lambda: 2)
    found = list(in_processes(slow, range(10), chunk=1))
    assert sum(value for value, _ in found) == 45
    assert found[0][1] == os.getpid() and {process for _, process in found[1:]}.isdisjoint({os.getpid()})


@pytest.mark.parametrize("workers", [0, 2])
def test_the_first_error_ends_the_work(workers):
    with pytest.raises(CourseError, match="0 is damaged"):
        list(in_processes(unlucky, range(4), workers=workers, chunk=4))


def test_a_killed_worker_is_one_sentence():
    with pytest.raises(CourseError, match="fewer workers.*__main__"):
        list(in_processes(killed, range(20), workers=2, chunk=2))
