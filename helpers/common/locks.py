"""Locks of folders, so that two processes do not write the same results at once."""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from helpers.common.errors import CourseError
from helpers.common.os_errors import as_course_error


@contextmanager
def locked(folder: str | Path, remedy: str = "choose another folder", target: str | Path = "") -> Iterator[None]:
    """Lock `folder` for the block; create it if it does not exist. A lock ends with its process, however it ends.

    Raises CourseError if another process holds the lock or the folder is not writable; `remedy` completes "wait for it
    or ...". `target` is the path that messages name, by default `folder`. File systems without locks are not locked.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            at = folder.parent if target else folder
            raise CourseError(f"{at} is not writable ({error.strerror}): {remedy}.") from error
        raise as_course_error(error, folder) from error
    with lock:
        try:
            take(lock, wait=False)
        except BlockingIOError:
            raise CourseError(f"Another run writes to {target or folder}: wait for it or {remedy}.") from None
        yield


@contextmanager
def locked_target(path: str | Path) -> Iterator[Path]:
    """Lock the writing of `path`, a file or folder that is replaced at the end, and yield an empty folder next to it.

    The folder is removed at the end; what a killed process has left in it is removed at the start.
    Raises CourseError like `locked`.
    """
    path = Path(path)
    work = path.with_name(f".{path.name}.writing")
    with locked(work, "choose another path", path):
        try:
            for left in work.iterdir():
                if left.is_dir():
                    shutil.rmtree(left)
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def take(file: int | IO, *, wait: bool = True) -> None:
    """Lock an open file or folder until it is closed; raise BlockingIOError if that would wait and `wait` is false."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):  # some network file systems have no locks
            raise
