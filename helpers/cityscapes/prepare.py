"""From the official archives to a folder that the course trains on: unpack, make train ids, write the lists.

Every file is written under a temporary name and renamed, so one that is there is whole; a second run does only what
is left. While the work goes on, and after an interruption, the root holds a folder `.prepare-unfinished`, at which
`index` and `find_root` refuse the set.
"""

from __future__ import annotations

import errno
import os
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
from helpers.cityscapes.frames import ANNOTATIONS, IMAGE_END, SPLITS, UNFINISHED, Frame, empty_cities, list_frames
from helpers.cityscapes.lists import write_lists
from helpers.common.errors import CourseError
from helpers.common.parallel import in_processes
from helpers.common.progress import progress

_SPARE_BYTES = 64 << 20  # left free on the disk, beside what the train ids take


@dataclass(frozen=True)
class Prepared:
    """What `prepare` found and did: frames of each split, files unpacked, train ids made."""

    root: Path
    frames: dict[str, int]
    unpacked: int
    train_ids_made: int


def prepare(sources: Sequence[str | Path], to: str | Path | None = None, *, workers: int | None = None) -> Prepared:
    """Bring `sources`, zips, tars or folders, into the folder `to` in the layout that the course reads.

    A folder that is already unpacked is prepared in place when `to` is left out or is that folder; into another one
    its files are hard-linked, or copied where the file system cannot link. All that can be checked is checked before
    the first file is written: archives (see `archives`), both halves there, every train and val image with its
    annotation by stem, no two stems alike, room on the disk. Runs in several processes; see `in_processes`.

    Raises CourseError with the name of the file at fault; what was finished by then is kept and not done again.
    """
    root = _target(sources, to)
    offered = [open_source(path) for path in sources]
    _check_together(offered, root)
    wanted = {source: _missing(source, root) for source in offered}
    _check_room(root, sum(entry.size for entries in wanted.values() for entry in entries))
    staging = root / UNFINISHED
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for source, entries in wanted.items():
            _unpack(source, entries, root, workers)
        frames = {split: list_frames(root, split) for split in SPLITS}
        made = sum(in_processes(_finish, sum(frames.values(), []), workers=workers, desc="train ids"))
        write_lists(root)
        shutil.rmtree(staging)
    except OSError as error:
        raise CourseError(_disk_trouble(error, root)) from error
    finally:
        _sweep(staging)
    unpacked = sum(map(len, wanted.values()))
    return Prepared(root, {split: len(each) for split, each in frames.items()}, unpacked, made)


def _target(sources: Sequence[str | Path], to: str | Path | None) -> Path:
    if not sources:
        raise CourseError(f"There is nothing to prepare: give the two archives; {OFFICIAL}.")
    if to is None:
        first = Path(sources[0]).expanduser()
        if len(sources) > 1 or first.is_file():
            raise CourseError("Say where to: add --to data/cityscapes; only one unpacked folder is prepared in place.")
        to = first
    root = Path(to).expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise CourseError(f"{root} is a file: give a folder as --to.")
    return root


def _check_together(offered: list[Source], root: Path) -> None:
    targets: dict[str, Source] = {}
    for source in offered:
        for entry in source.entries:
            other = targets.setdefault(entry.target, source)
            if other is not source:
                raise CourseError(f"{other.path} and {source.path} both hold {entry.target}: give only one of them.")
    there = [frame for split in SPLITS for frame in list_frames(root, split)]
    images = {
        entry.target: entry.stem for source in offered for entry in source.entries if entry.target.endswith(IMAGE_END)
    }
    images |= {frame.image.relative_to(root).as_posix(): frame.stem for frame in there}
    annotations = {target for target in targets if not target.endswith(IMAGE_END)}
    annotations |= {path.relative_to(root).as_posix() for path in (root / "gtFine").glob("*/*/*")}
    for half, found in (("leftImg8bit", images), ("gtFine", annotations)):
        if not found:
            given = " and ".join(str(source.path) for source in offered)
            raise CourseError(f"{given} has no {half}: give {half}_trainvaltest.zip too; {OFFICIAL}.")
    _check_stems(images)
    _check_pairs(images, annotations)
    for split in SPLITS:
        for city in empty_cities(root, split):
            if not any(target.startswith(f"leftImg8bit/{split}/{city.name}/") for target in images):
                raise CourseError(f"{city} has no frame: unpack that city again, or remove the folder.")


def _check_stems(images: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for target, stem in sorted(images.items()):
        other = seen.setdefault(stem.casefold(), target)
        if other != target:
            raise CourseError(f"{other} and {target} have the same stem: each frame needs its own; remove one.")


def _check_pairs(images: dict[str, str], annotations: set[str]) -> None:
    bare = []
    for target, stem in sorted(images.items()):
        start = f"gtFine/{target.split('/', 1)[1].rsplit('/', 1)[0]}/{stem}_gtFine_"
        usable = (f"{start}{ANNOTATIONS[kind]}" for kind in ("polygons", "labelIds", "labelTrainIds"))
        if not target.startswith("leftImg8bit/test/") and not any(name in annotations for name in usable):
            bare.append((target, f"{start}{ANNOTATIONS['polygons']}"))
    if bare:
        raise CourseError(
            f"{bare[0][0]} has no annotation {bare[0][1]} ({len(bare)} of {len(images)} images lack theirs): "
            "give the gtFine that belongs to these images, or remove them."
        )
    stems = set(images.values())
    for target in sorted(annotations):
        stem, mark, _ = target.rsplit("/", 1)[1].rpartition("_gtFine_")
        if mark and stem not in stems:
            raise CourseError(
                f"{target} has no image {stem}_leftImg8bit.png: give the leftImg8bit that belongs to these annotations."
            )


def _missing(source: Source, root: Path) -> list[Entry]:
    # A file is put in place by renaming a whole one, so one of the right size is done.
    def done(entry: Entry) -> bool:
        path = root / entry.target
        return path.is_file() and path.stat().st_size == entry.size

    return [entry for entry in source.entries if not done(entry)]


def _check_room(root: Path, size: int) -> None:
    there = next(path for path in (root, *root.parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if size and size + _SPARE_BYTES > free:
        raise CourseError(
            f"{there} has {free / 1e9:.1f} GB free and the data takes {(size + _SPARE_BYTES) / 1e9:.1f} GB: "
            "free some, or give another disk as --to."
        )


def _unpack(source: Source, entries: list[Entry], root: Path, workers: int | None) -> None:
    if source.kind == "tar":
        _from_tar(source.path, root, entries)  # in this process: a compressed tar is read from its beginning
        return
    copy = partial({"zip": _from_zip, "folder": _from_folder}[source.kind], source.path, root)
    for _ in in_processes(copy, entries, workers=workers, chunk=64, desc=source.path.name, unit="file"):
        pass


def _from_zip(path: Path, root: Path, entries: Sequence[Entry]) -> None:
    archive = _opened(path, path.stat().st_mtime_ns)
    for entry in entries:
        try:
            data = archive.read(entry.name)
        except BROKEN as error:
            raise CourseError(f"{path} is damaged at {entry.name} ({error}): download it again.") from error
        _place(data, root, entry)


@lru_cache(maxsize=1)
def _opened(path: Path, changed: int) -> zipfile.ZipFile:
    # Once for each process and archive: reading the table of 20,000 entries takes as long as unpacking a hundred.
    return zipfile.ZipFile(path)


def _from_tar(path: Path, root: Path, entries: Sequence[Entry]) -> None:
    wanted = {entry.name: entry for entry in entries}
    with tarfile.open(path) as archive, progress(total=len(wanted), desc=path.name, unit="file", delay=1.0) as bar:
        for entry, data in _wanted(archive, wanted, path):
            _place(data, root, entry)
            bar.update()


def _wanted(archive: tarfile.TarFile, wanted: dict[str, Entry], path: Path) -> Iterator[tuple[Entry, bytes]]:
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
        target.unlink(missing_ok=True)  # of another size, or it would be done
        try:
            os.link(source.resolve(), target)
        except OSError:  # another disk, or a file system without links
            _place(source.read_bytes(), root, entry)


def _place(data: bytes, root: Path, entry: Entry) -> None:
    target = root / entry.target
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(root):
        raise CourseError(f"{target.parent} is a link that leads out of {root}: give the folder it leads to as --to.")
    with _staged(root, target) as temporary:
        temporary.write_bytes(data)


@contextmanager
def _staged(root: Path, target: Path) -> Iterator[Path]:
    temporary = root / UNFINISHED / f"{os.getpid()}-{target.name}"
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _finish(frames: Sequence[Frame]) -> int:
    """Check that the files of each frame fit together and make the train ids that are missing; how many were made."""
    made = 0
    for frame in frames:
        image = check_camera_image(frame)
        there = {kind for kind in ANNOTATIONS if frame.annotation(kind).is_file()}
        for kind in there & {"labelIds", "instanceIds", "color"}:
            check_annotation(frame, kind, image)
        if "labelTrainIds" in there:
            check_train_ids(frame, image)
        elif there:
            with _staged(frame.root, frame.label) as temporary:
                make_train_ids(frame, image, temporary)
            made += 1
    return made


def _sweep(staging: Path) -> None:
    """After a failure: no half-written file stays, and no folder when there is nothing else in it."""
    if not staging.is_dir():
        return
    for temporary in staging.iterdir():
        temporary.unlink()
    if list(staging.parent.iterdir()) == [staging]:
        staging.rmdir()
        staging.parent.rmdir()


def _disk_trouble(error: OSError, root: Path) -> str:
    at = error.filename or root
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"The disk of {root} is full, at {at}: free some room and run the same command again; it goes on where it "
            "stopped."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{at} may not be written ({error.strerror}): give a folder of your own as --to."
    return (
        f"{at} could not be read or written ({error.strerror or error}): put that right and run the same command again."
    )
