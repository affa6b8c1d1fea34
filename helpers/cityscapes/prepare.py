"""Prepare a data set for training: unpack the official archives, create train ids, write the file lists.

Files are written under a hidden name next to their target and renamed, so an existing file is complete, and a second
run does only the remaining work; each half may be a link to another disk. During the work and after an interruption the
root contains the folder `.unfinished`, and `open_dataset` rejects the data set.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from helpers.cityscapes.archives import BROKEN, OFFICIAL, Entry, Source, open_source
from helpers.cityscapes.convert import check_annotation, check_camera_image, check_train_ids, make_train_ids
from helpers.cityscapes.frames import ANNOTATIONS, IMAGE_END, empty_cities, list_frames
from helpers.cityscapes.lists import write_lists
from helpers.common.errors import CourseError
from helpers.common.locks import locked
from helpers.common.parallel import in_processes
from helpers.common.progress import progress
from helpers.datasets import SPLITS, Frame
from helpers.datasets.dataset import COMMAND, UNFINISHED, expand

_SPARE_BYTES = 64 << 20  # disk space for the train ids and to spare


@dataclass(frozen=True)
class Prepared:
    """Result of `prepare`: number of frames per split, files unpacked, labelTrainIds created, dead links left out."""

    root: Path
    frames: dict[str, int]
    unpacked: int
    train_ids_made: int
    dead_links: tuple[Path, ...]


def prepare(sources: Sequence[str | Path], to: str | Path | None = None, *, workers: int | None = None) -> Prepared:
    """Unpack `sources` (zips, tars or folders) into the folder `to`, create train ids and write the file lists.

    An unpacked folder is prepared in place if `to` is omitted or is that folder. Files of a folder are hard-linked into
    another one, or copied if the file system has no links. Before the first file is written, `prepare` checks the
    archives (see `archives`), that leftImg8bit and gtFine are both present, that every train and val image has its
    annotation by stem, that stems are unique, and the free disk space. `workers`: number of processes, see
    `in_processes`. Links to missing files are left out and returned.

    Raise CourseError with the name of the file at fault; finished files are kept, and the next run resumes.
    """
    root = _target(sources, to)
    opened = [open_source(path) for path in sources]
    _check_sources(opened, root)
    pending = {source: _pending(source, root) for source in opened}
    _check_disk(root, sum(entry.size for entries in pending.values() for entry in entries))
    try:
        with _unfinished(root, sources):
            for source, entries in pending.items():
                _unpack(source, entries, root, workers)
            frames = {split: list_frames(root, split) for split in SPLITS}
            created = sum(in_processes(_complete_frames, sum(frames.values(), []), workers=workers, desc="train ids"))
            write_lists(root)
    except OSError as error:
        raise CourseError(_disk_error(error, root)) from error
    return Prepared(
        root,
        {split: len(each) for split, each in frames.items()},
        sum(map(len, pending.values())),
        created,
        tuple(link for source in opened for link in source.dead_links),
    )


@contextmanager
def _unfinished(root: Path, sources: Sequence[str | Path]) -> Iterator[None]:
    """Mark `root` as incomplete during the block, and after it if it raises, unless nothing was written."""
    marker = root / UNFINISHED
    marker.mkdir(parents=True, exist_ok=True)
    with locked(marker, "pass another folder as --to"):
        paths = [str(Path(source).expanduser().absolute()) for source in sources]
        command = shlex.join(["python", "-m", "helpers.cityscapes", "prepare", *paths, "--to", str(root)])
        (marker / COMMAND).write_text(command + "\n", encoding="utf-8", errors="replace")
        try:
            yield
            shutil.rmtree(marker)
        except BaseException:
            if list(root.iterdir()) == [marker]:
                shutil.rmtree(root)
            raise


def _target(sources: Sequence[str | Path], to: str | Path | None) -> Path:
    if not sources:
        raise CourseError(f"Expected at least one archive or folder, got none: {OFFICIAL}.")
    if to is None:
        first = Path(sources[0]).expanduser()
        if len(sources) > 1 or first.is_file():
            raise CourseError(
                "No target folder: add --to data/cityscapes; only a single unpacked folder can be prepared in place."
            )
        to = first
    root = expand(to)
    if (root.exists() or root.is_symlink()) and not root.is_dir():
        raise CourseError(f"{root} is a file or a link that leads nowhere: pass a folder as --to.")
    return root.resolve()


def _check_sources(sources: list[Source], root: Path) -> None:
    targets: dict[str, Source] = {}
    for source in sources:
        for entry in source.entries:
            other = targets.setdefault(entry.target, source)
            if other is not source:
                raise CourseError(f"{other.path} and {source.path} both contain {entry.target}: pass only one of them.")
    existing = [frame for split in SPLITS for frame in list_frames(root, split)]
    images = {
        entry.target: entry.stem for source in sources for entry in source.entries if entry.target.endswith(IMAGE_END)
    }
    images |= {frame.image.relative_to(root).as_posix(): frame.stem for frame in existing}
    annotations = {target for target in targets if not target.endswith(IMAGE_END)}
    files = (path for path in (root / "gtFine").glob("*/*/*") if not path.name.startswith(".") and path.is_file())
    annotations |= {path.relative_to(root).as_posix() for path in files}
    for half, found in (("leftImg8bit", images), ("gtFine", annotations)):
        if not found:
            names = ", ".join(str(source.path) for source in sources)
            raise CourseError(f"No {half} in {names}: pass {half}_trainvaltest.zip as well; {OFFICIAL}.")
    _check_stems(images)
    _check_pairs(images, annotations)
    for split in SPLITS:
        for city in empty_cities(root, split):
            if not any(target.startswith(f"leftImg8bit/{split}/{city.name}/") for target in images):
                raise CourseError(f"{city} is an empty city folder: unpack this city again or remove the folder.")


def _check_stems(images: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for target, stem in sorted(images.items()):
        other = seen.setdefault(stem.casefold(), target)
        if other != target:
            raise CourseError(f"{other} and {target} have the same stem: rename or remove one, stems must be unique.")


def _check_pairs(images: dict[str, str], annotations: set[str]) -> None:
    unlabelled = []
    for target, stem in sorted(images.items()):
        start = f"gtFine/{target.split('/', 1)[1].rsplit('/', 1)[0]}/{stem}_gtFine_"
        usable = (f"{start}{ANNOTATIONS[kind]}" for kind in ("polygons", "labelIds", "labelTrainIds"))
        if not target.startswith("leftImg8bit/test/") and not any(name in annotations for name in usable):
            unlabelled.append((target, f"{start}{ANNOTATIONS['polygons']}"))
    if unlabelled:
        image, annotation = unlabelled[0]
        raise CourseError(
            f"{image} has no annotation {annotation} (missing for {len(unlabelled)} of {len(images)} images): "
            "pass the gtFine archive that matches these images, or remove them."
        )
    stems = set(images.values())
    for target in sorted(annotations):
        stem, mark, _ = target.rsplit("/", 1)[1].rpartition("_gtFine_")
        if mark and stem not in stems:
            raise CourseError(
                f"{target} has no image {stem}{IMAGE_END}: pass the leftImg8bit archive that matches these annotations."
            )


def _pending(source: Source, root: Path) -> list[Entry]:
    # Files are renamed only when complete, so a file of the right size is done.
    def done(entry: Entry) -> bool:
        path = root / entry.target
        return path.is_file() and path.stat().st_size == entry.size

    return [entry for entry in source.entries if not done(entry)]


def _check_disk(root: Path, size: int) -> None:
    folder = next(path for path in (root, *root.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if size and size + _SPARE_BYTES > free:
        raise CourseError(
            f"{folder} has {free / 1e9:.1f} GB free, but the data needs {(size + _SPARE_BYTES) / 1e9:.1f} GB: "
            "free some space, or pass a folder on another disk as --to."
        )


def _unpack(source: Source, entries: list[Entry], root: Path, workers: int | None) -> None:
    if source.kind == "tar":
        _from_tar(source.path, root, entries)  # in one process: a compressed tar can only be read from its start
        return
    copy = partial({"zip": _from_zip, "folder": _from_folder}[source.kind], source.path, root)
    for _ in in_processes(copy, entries, workers=workers, chunk=64, desc=source.path.name, unit="file"):
        pass


def _from_zip(path: Path, root: Path, entries: Sequence[Entry]) -> None:
    archive = _open_zip(path, path.stat().st_mtime_ns)
    for entry in entries:
        try:
            data = archive.read(entry.name)
        except BROKEN as error:
            raise CourseError(f"{path} is damaged at {entry.name} ({error}): download it again.") from error
        _write(data, root, entry)


@lru_cache(maxsize=1)
def _open_zip(path: Path, modified: int) -> zipfile.ZipFile:
    # Cached per process and archive: reading the table of 20,000 entries takes as long as unpacking a hundred.
    return zipfile.ZipFile(path)


def _from_tar(path: Path, root: Path, entries: Sequence[Entry]) -> None:
    wanted = {entry.name: entry for entry in entries}
    with tarfile.open(path) as archive, progress(total=len(wanted), desc=path.name, unit="file", delay=1.0) as bar:
        for entry, data in _read_tar(archive, wanted, path):
            _write(data, root, entry)
            bar.update()


def _read_tar(archive: tarfile.TarFile, wanted: dict[str, Entry], path: Path) -> Iterator[tuple[Entry, bytes]]:
    try:
        for info in archive:
            if entry := wanted.get(info.name):
                yield entry, archive.extractfile(info).read()
    except BROKEN as error:
        raise CourseError(f"{path} is damaged ({error}): download it again.") from error


def _from_folder(path: Path, root: Path, entries: Sequence[Entry]) -> None:
    for entry in entries:
        source, target = path.resolve().parent / entry.name, root / entry.target
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # incomplete: its size differs, or it would not be pending
        try:
            os.link(source.resolve(), target)
        except OSError:  # another disk, or a file system without links
            _write(source.read_bytes(), root, entry)


def _write(data: bytes, root: Path, entry: Entry) -> None:
    target = root / entry.target
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(root):
        raise CourseError(f"{target.parent} is a link to a folder outside {root}: pass the linked folder as --to.")
    with _staged(target) as temporary:
        temporary.write_bytes(data)


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    temporary = target.with_name(f".part-{target.name}")  # the next run overwrites what a killed one has left
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _complete_frames(frames: Sequence[Frame]) -> int:
    """Check that the files of each frame are consistent, create missing train ids and return the number created."""
    created = 0
    for frame in frames:
        image = check_camera_image(frame)
        existing = {kind for kind in ANNOTATIONS if frame.annotation(kind).is_file()}
        for kind in existing & {"labelIds", "instanceIds", "color"}:
            check_annotation(frame, kind, image)
        if "labelTrainIds" in existing:
            check_train_ids(frame, image)
        elif existing:
            with _staged(frame.label) as temporary:
                make_train_ids(frame, image, temporary)
            created += 1
    return created


def _disk_error(error: OSError, root: Path) -> str:
    at = error.filename or root
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"The disk of {root} is full, at {at}: free some space and run the same command again, it resumes where it "
            "stopped."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{at} is not writable ({error.strerror}): pass a folder with write permission as --to."
    return f"{at} cannot be read or written ({error.strerror or error}): fix this and run the same command again."
