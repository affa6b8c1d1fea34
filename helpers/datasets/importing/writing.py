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

import numpy as np

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_bytes, write_json, write_text
from helpers.common.locks import locked
from helpers.common.os_errors import as_course_error
from helpers.common.parallel import in_processes
from helpers.datasets.classes import IGNORE
from helpers.datasets.dataset import COMMAND, DESCRIPTION, UNFINISHED, Dataset
from helpers.datasets.importing.items import Key
from helpers.datasets.importing.survey import Seen
from helpers.datasets.pictures import encode_picture, read_picture

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
        if content == [UNFINISHED] or _arguments_of(root / UNFINISHED / _PLAN) == arguments:
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
        with locked(staging, "pass another folder as --to", root):
            _stage(root, jobs, train_ids, dataset, report["arguments"], command)
            make = partial(_write_frames, root, train_ids, link)
            for _ in in_processes(make, jobs, workers=workers, desc="writing"):
                pass
            write_json(root / REPORT, report)
            dataset.save()
            shutil.rmtree(staging)
    except OSError as error:
        raise as_course_error(error, root) from error
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
    if not (staging / _PLAN).is_file() or read_json(staging / _PLAN) != plan:
        for name in _WRITTEN:
            shutil.rmtree(root / name, ignore_errors=True)
    for left in list(root.rglob(".*.tmp")):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    write_text(staging / COMMAND, command + "\n")
    write_json(staging / _PLAN, plan)


def _write_frames(root: Path, train_ids: dict[Key, int], link: bool, jobs: Sequence[Job]) -> None:
    for job in jobs:
        image, label = root / job.image, root / job.label
        if not image.is_file():
            _write_image(job, image, link)
        if job.label and not label.is_file():
            drawn = job.seen.item.label.draw(*job.seen.size, job.seen.orientation)
            table = np.array([train_ids.get(key, IGNORE) for key in drawn.keys], dtype=np.uint8)
            write_bytes(label, encode_picture(table[drawn.pixels]))


def _write_image(job: Job, target: Path, link: bool) -> None:
    source = job.seen.item.image
    if not job.seen.plain:
        write_bytes(target, encode_picture(read_picture(source, str(job.seen.item.file))))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(source.resolve(), target)
            return
        except OSError as error:
            if error.errno in _FULL:
                raise
    write_bytes(target, source.read_bytes())


def _arguments_of(path: Path) -> dict | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("arguments") if isinstance(content, dict) else None


def _clean_up(root: Path, staging: Path) -> None:
    """After a failure, remove the target if nothing was written into it."""
    if staging.is_dir() and list(root.iterdir()) == [staging]:
        shutil.rmtree(root)
