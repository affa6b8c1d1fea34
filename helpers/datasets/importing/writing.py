"""Write the imported data set: resumable, atomic, never over something else."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
_DIGEST = "plan"  # file in the staging folder: digest of what is to be written
_WRITTEN = ("images", "labels")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Job:
    """A frame to write: its source, and the paths of image and label in the target (label "" for none)."""

    seen: Seen
    image: str
    label: str


@dataclass(frozen=True)
class Plan:
    """What to write: the data set, its frames, the train id of each key in the labels, and whether to link images."""

    dataset: Dataset
    jobs: Sequence[Job]
    train_ids: dict[Key, int]
    link: bool


def already_done(root: Path, command: str) -> bool:
    """Return whether `root` is the finished result of the same command.

    Raise CourseError if it contains anything else; a target that does not exist, is empty, or was interrupted during
    the same command is fine.
    """
    if root.exists() and not root.is_dir():
        raise CourseError(f"{root} is a file: pass a folder as --to.")
    content = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    if UNFINISHED in content:
        file = root / UNFINISHED / COMMAND
        earlier = file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else "another command"
        if earlier != _again(command, root) and content != [UNFINISHED]:
            raise CourseError(
                f"{root} is incomplete, because `{earlier}` was interrupted: run that command again, or remove the "
                "folder."
            )
        return False
    if REPORT in content and DESCRIPTION in content:
        report = read_json(root / REPORT)
        if isinstance(report, dict) and report.get("command") == command:
            return True
        raise CourseError(
            f"{root} was imported with other arguments (see {REPORT} in it): remove it, or pass another folder as --to."
        )
    if content:
        raise CourseError(
            f"{root} is not empty (it contains {content[0]}), and nothing is overwritten: pass a new folder as --to."
        )
    return False


def write(plan: Plan, report: dict, workers: int | None = None) -> None:
    """Write images, labels, description and report; a run after an interruption writes what is missing.

    report: content of import.json, with the "command" without its target. workers: number of processes, see
    `in_processes`. Raises CourseError if the target cannot be written.
    """
    root = plan.dataset.root
    staging = root / UNFINISHED
    try:
        with locked(staging, "pass another folder as --to", root):
            _stage(plan, staging, report["command"])
            write_frames = partial(_write_frames, replace(plan, jobs=()))
            for _ in in_processes(write_frames, plan.jobs, workers=workers, desc="writing"):
                pass
            write_json(root / REPORT, report)
            plan.dataset.save()
            shutil.rmtree(staging)
    except OSError as error:
        raise as_course_error(error, root) from error
    finally:
        if staging.is_dir() and list(root.iterdir()) == [staging]:  # nothing was written
            shutil.rmtree(root)


def _stage(plan: Plan, staging: Path, command: str) -> None:
    """Make the staging folder; remove files of an interrupted run whose plan was another one."""
    root = plan.dataset.root
    digest = hashlib.sha256(f"{plan.dataset.to_toml()}{sorted(plan.train_ids.items(), key=str)}".encode())
    for job in plan.jobs:
        digest.update(f"{job.image}\0{job.label}\0".encode())
        for file in (job.seen.item.file, job.seen.item.label.file) if job.label else (job.seen.item.file,):
            state = file.stat()
            digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    before = staging / _DIGEST
    if not before.is_file() or before.read_text(errors="replace") != digest.hexdigest():
        for name in _WRITTEN:
            shutil.rmtree(root / name, ignore_errors=True)
    for left in list(root.rglob(".*.tmp")):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    write_text(staging / COMMAND, _again(command, root) + "\n")
    write_text(staging / _DIGEST, digest.hexdigest())


def _again(command: str, root: Path) -> str:
    return shlex.join([*shlex.split(command), "--to", str(root.resolve())])


def _write_frames(plan: Plan, jobs: Sequence[Job]) -> None:
    for job in jobs:
        image, label = plan.dataset.root / job.image, plan.dataset.root / job.label
        if not image.is_file():
            _write_image(job, image, plan.link)
        if job.label and not label.is_file():
            drawn = job.seen.item.label.draw(*job.seen.size, job.seen.orientation)
            table = np.array([plan.train_ids.get(key, IGNORE) for key in drawn.keys], dtype=np.uint8)
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
