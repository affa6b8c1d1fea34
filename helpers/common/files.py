"""Atomic writing of files, and reading and writing of JSON.

Every file that the course keeps is written here: to a temporary path on the same disk, which is flushed to the disk and
then renamed. A full disk or a missing permission is reported as CourseError, and the old file is kept.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.locks import take
from helpers.common.os_errors import as_course_error, readable

PROJECT = Path(__file__).resolve().parents[2]  # the checkout, with notebooks/, data/ and outputs/


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path; rename it to `path` when the block ends, delete it when the block raises.

    A reader sees the old file or the complete new one, never a part, even after a power failure. `path` may also be a
    folder that does not exist yet. The temporary path is on the same file system, where a rename is atomic, and keeps
    the file name, because image writers choose the format by its suffix. Missing parent folders are created. Two
    writers of one path wait for each other. Raises CourseError if the disk is full or the path is not writable.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _workspace(path) as folder:
            temporary = folder / path.name
            yield temporary
            flush(temporary)
            os.replace(temporary, path)
    except OSError as error:
        raise as_course_error(_of_target(error, path), path) from error


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to a file, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        if (written := temporary.stat().st_size) != len(data):
            raise CourseError(f"Only {written} of {len(data)} bytes of {readable(path)} were written: check its disk.")


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to a file in UTF-8, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON. Raise ValueError for NaN and infinities, which JSON does not have."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file in UTF-8. Raise CourseError if it is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        problem = str(error) or type(error).__name__
        raise CourseError(f"Expected JSON in {readable(path)}, got a damaged file ({problem}): remove it.") from error


@contextmanager
def _workspace(path: Path) -> Iterator[Path]:
    """Yield an empty folder next to `path`, locked by this writer and removed at the end.

    Its name depends only on `path`, so that the next writer removes what a killed one has left.
    """
    folder = path.with_name(f".{path.name}.tmp")
    while True:
        # The previous writer may remove the folder at any time.
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            take(lock)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(folder.stat(), os.fstat(lock)):
                    break
            os.close(lock)
    try:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def flush(path: Path) -> None:
    """Wait until a file, or all of a folder, is on the disk. A network disk may report only now that it is full."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if path.is_dir() and hasattr(libc := ctypes.CDLL(None, use_errno=True), "syncfs"):
            if libc.syncfs(descriptor):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _of_target(error: OSError, path: Path) -> OSError:
    """Return `error` about the target instead of its temporary path, which the user does not know."""
    workspace = path.with_name(f".{path.name}.tmp")
    if isinstance(error.filename, str) and Path(error.filename).is_relative_to(workspace):
        inside = Path(error.filename).relative_to(workspace).parts[1:]
        return OSError(error.errno, error.strerror, str(path.joinpath(*inside)))
    return error
