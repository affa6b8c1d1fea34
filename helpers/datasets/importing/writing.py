"""Write the imported data set: resumable, atomic, never over something else."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json
from helpers.common.parallel import in_processes
from helpers.datasets.classes import IGNORE
from helpers.datasets.dataset import COMMAND, DESCRIPTION, UNFINISHED, Dataset
from helpers.datasets.importing.items import Key
from helpers.datasets.importing.survey import Seen, draw
from helpers.datasets.pictures import read_picture

REPORT = "import.json"
_PLAN = "plan"  # file in the staging folder: digest of what is to be written
_WRITTEN = ("images", "labels")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Job:
    """A frame to write: its source, and the paths of image and label in the target (label "" for none)."""

    seen: Seen
    image: str
    label: str


def already_done(root: Path, arguments: dict) -> bool:
    """Return whether `root` is the finished result of the same import.

    Raise CourseError if it contains anything else; a target that does not exist, is empty, or was interrupted during
    the same import is fine.
    """
    if root.exists() and not root.is_dir():
        raise CourseError(f"{root} is a file: pass a folder as --to.")
    content = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    if not content:
        return False
    if UNFINISHED in content:
        if _arguments_of(root / UNFINISHED / _PLAN) == arguments:
            return False
        command = root / UNFINISHED / COMMAND
        text = command.read_text(encoding="utf-8", errors="replace").strip() if command.is_file() else "another command"
        raise CourseError(
            f"{root} is incomplete, because `{text}` was interrupted: run that command again, or remove the folder."
        )
    if REPORT in content and DESCRIPTION in content:
        if _arguments_of(root / REPORT) == arguments:
            return True
        raise CourseError(
            f"{root} was imported with other arguments (see {REPORT} in it): remove it, or pass another folder as --to."
        )
    raise CourseError(
        f"{root} is not empty (it contains {content[0]}), and nothing is overwritten: pass a new folder as --to."
    )


def write(
    dataset: Dataset,
    jobs: Sequence[Job],
    train_ids: dict[Key, int],
    report: dict,
    command: str,
    *,
    link: bool = False,
    workers: int | None = None,
) -> None:
    """Write images, labels, description and report; a run after an interruption writes what is missing.

    Parameters
    ----------
    dataset : Dataset
        Description of the result; its root is the target.
    jobs : sequence of Job
        The frames.
    train_ids : dict
        The train id of each key in the labels.
    report : dict
        Content of import.json.
    command : str
        The command to run again after an interruption.
    link : bool
        Hard-link images instead of copying them, where the file system can.
    workers : int, optional
        Number of processes, see `in_processes`.

    Raises CourseError if the target cannot be written.
    """
    root = dataset.root
    staging = root / UNFINISHED
    try:
        _stage(root, jobs, train_ids, dataset, report["arguments"], command)
        make = partial(_write_frames, root, train_ids, link)
        for _ in in_processes(make, jobs, workers=workers, desc="writing"):
            pass
        write_json(root / REPORT, report)
        dataset.save()
        shutil.rmtree(staging)
    except OSError as error:
        raise CourseError(_sentence(error, root)) from error
    finally:
        _clean_up(root, staging)


def _stage(root: Path, jobs, train_ids, dataset: Dataset, arguments: dict, command: str) -> None:
    """Make the staging folder; remove files of an interrupted run whose plan was another one."""
    staging = root / UNFINISHED
    digest = hashlib.sha256(dataset.to_toml().encode())
    for job in jobs:
        for file in {job.seen.item.file, *([job.seen.item.label.file] if job.label else [])}:
            state = file.stat()
            digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
        digest.update(f"{job.image}\0{job.label}\0".encode())
    digest.update(repr(sorted(train_ids.items(), key=str)).encode())
    plan = {"arguments": arguments, "digest": digest.hexdigest()}
    if staging.is_dir() and (not (staging / _PLAN).is_file() or read_json(staging / _PLAN) != plan):
        for name in _WRITTEN:
            shutil.rmtree(root / name, ignore_errors=True)
    staging.mkdir(parents=True, exist_ok=True)
    for left in staging.iterdir():
        if left.name not in (COMMAND, _PLAN):
            left.unlink()
    (staging / COMMAND).write_text(command + "\n", encoding="utf-8")
    write_json(staging / _PLAN, plan)


def _write_frames(root: Path, train_ids: dict[Key, int], link: bool, jobs: Sequence[Job]) -> None:
    for job in jobs:
        image, label = root / job.image, root / job.label
        if not image.is_file():
            _write_image(root, job, image, link)
        if job.label and not label.is_file():
            pixels = read_picture(job.seen.item.image, str(job.seen.item.file))
            drawn = draw(job.seen.item, job.seen.orientation, *pixels.shape[:2])
            table = np.array([train_ids.get(key, IGNORE) for key in drawn.keys], dtype=np.uint8)
            _place(root, label, _png(table[drawn.pixels]))


def _write_image(root: Path, job: Job, target: Path, link: bool) -> None:
    source = job.seen.item.image
    if not job.seen.plain:
        _place(root, target, _png(read_picture(source, str(job.seen.item.file))))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(source.resolve(), target)
            return
        except OSError as error:
            if error.errno in _FULL:
                raise
    _place(root, target, source.read_bytes())


def _png(pixels: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])
    assert done
    return data.tobytes()


def _place(root: Path, target: Path, data: bytes) -> None:
    """Write a file in the staging folder and rename it, so that an existing file is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = root / UNFINISHED / f"{os.getpid()}.tmp"
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _arguments_of(path: Path) -> dict | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("arguments") if isinstance(content, dict) else None


def _clean_up(root: Path, staging: Path) -> None:
    """After a failure, remove partial files, and the target if nothing was written into it."""
    if not staging.is_dir():
        return
    for left in staging.iterdir():
        if left.name not in (COMMAND, _PLAN):
            left.unlink(missing_ok=True)
    if list(root.iterdir()) == [staging]:
        shutil.rmtree(root)


def _sentence(error: OSError, root: Path) -> str:
    at = error.filename or root
    if error.errno in _FULL:
        return (
            f"The disk of {root} is full, at {at}: free some space and run the same command again, it resumes where it "
            "stopped."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{at} cannot be written ({error.strerror}): pass a folder with write permission as --to."
    return f"{at} cannot be read or written ({error.strerror or error}): fix this and run the same command again."
