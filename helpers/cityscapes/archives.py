"""List the Cityscapes files in an archive or a folder, and check them before anything is written.

Archives are untrusted. They are read to the end first, and rejected if any entry leaves the target folder, is a link or
a device, or expands to far more than its packed size. Only files whose path matches the official layout are listed, and
their target path is built from the matched parts.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from helpers.cityscapes.frames import ANNOTATIONS, IMAGE_END
from helpers.common.errors import CourseError
from helpers.datasets.pictures import SUFFIXES

MAX_FILE_BYTES = 256 << 20  # largest single file; an official image has 2.5 MB
MAX_RATIO = 200  # unpacked to packed size; PNG and JSON files are far below it
_RATIO_FROM_BYTES = 1 << 20  # a small file may be all zeros

OFFICIAL = (
    "download leftImg8bit_trainvaltest.zip (11 GB) and gtFine_trainvaltest.zip (241 MB) from cityscapes-dataset.com"
)
_PATH = re.compile(r"(?:^|/)(leftImg8bit|gtFine)/(train|val|test)/([^/.][^/]*)(?:/([^/.][^/]*))?/?$")
_FILE_END = {
    "leftImg8bit": (IMAGE_END,),
    "gtFine": tuple(f"_gtFine_{end}" for end in ANNOTATIONS.values()),
}
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Entry:
    """One file in a source: its name in the source, its target path relative to the root, its size in bytes."""

    name: str
    target: str
    size: int

    @property
    def stem(self) -> str:
        """Stem of the frame, "<city>_<sequence>_<frame>"."""
        name = self.target.rsplit("/", 1)[1]
        return name.removesuffix(IMAGE_END) if name.endswith(IMAGE_END) else name.rsplit("_gtFine_", 1)[0]


@dataclass(frozen=True)
class Source:
    """An archive or folder and the Cityscapes files in it. `kind` is "zip", "tar" or "folder".

    `dead_links` are the links in a folder that lead nowhere; they are not entries.
    """

    path: Path
    kind: str
    entries: tuple[Entry, ...]
    dead_links: tuple[Path, ...] = ()


def open_source(path: str | Path) -> Source:
    """List the Cityscapes files in `path`. Raise CourseError if it is missing, damaged, unsafe or has none."""
    path = Path(path).expanduser()
    if not path.exists():
        raise CourseError(f"{path} does not exist: {OFFICIAL}.")
    dead_links: list[Path] = []
    try:
        if path.is_dir():
            kind, listed = "folder", _list_folder(path, dead_links)
        elif zipfile.is_zipfile(path):
            kind, listed = "zip", _list_zip(path)
        elif tarfile.is_tarfile(path):
            kind, listed = "tar", _list_tar(path)
        else:
            raise CourseError(_describe_unknown(path))
    except PermissionError as error:
        raise CourseError(f"{error.filename or path} is not readable: change its permissions.") from error
    except BROKEN as error:
        raise CourseError(
            f"{path} is damaged or truncated ({error}; {path.stat().st_size} bytes): download it again."
        ) from error
    return Source(path, kind, _select(path, listed), tuple(dead_links))


def _list_zip(path: Path) -> list[tuple[str, int]]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise CourseError(_rejected(path, info.filename, "is a link or a device"))
        if info.flag_bits & 1:
            raise CourseError(_rejected(path, info.filename, "is encrypted"))
        _check_entry(path, info.orig_filename, info.file_size, info.compress_size)
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for this, following in zip(ordered, ordered[1:], strict=False):
        if this.header_offset + this.compress_size > following.header_offset:
            raise CourseError(_rejected(path, following.filename, "overlaps another entry, like a zip bomb"))
    return [(info.filename, info.file_size) for info in infos]


class _StrictTarInfo(tarfile.TarInfo):
    """Treat only a block of zeros as the end of the archive; tarfile also stops at a damaged or missing header."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"no valid header at {archive.offset}: {error}") from error


def _list_tar(path: Path) -> list[tuple[str, int]]:
    listed, total = [], 0
    too_large = f"expands the archive to more than {MAX_RATIO} times its packed size"
    limit = max(_RATIO_FROM_BYTES, MAX_RATIO * path.stat().st_size)
    with tarfile.open(path, tarinfo=_StrictTarInfo) as archive:
        for info in archive:
            if not (info.isfile() or info.isdir()) or info.issparse():
                raise CourseError(_rejected(path, info.name, "is a link or a device"))
            total += info.size
            _check_entry(path, info.name, info.size, packed=info.size)
            if total > limit:
                raise CourseError(_rejected(path, info.name, too_large))
            listed.append((info.name + "/" * info.isdir(), info.size))
        while rest := archive.fileobj.read(1 << 20):  # reads on to the checksum at the end of a compressed tar
            total += len(rest)
            if total > limit:
                raise CourseError(_rejected(path, "(end of archive)", too_large))
    return listed


def _list_folder(path: Path, dead_links: list[Path]) -> list[tuple[str, int]]:
    # A folder belongs to the user: links are followed, because data sets are often linked from several disks.
    start = path.resolve()
    listed, seen = [], set()
    for folder, folders, names in os.walk(start, followlinks=True, onerror=_raise):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link back to a folder further up
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        inside = PurePosixPath(start.name) / Path(folder).relative_to(start).as_posix()
        listed.append((f"{inside}/", 0))
        for file in (Path(folder) / name for name in names):
            if file.is_symlink() and not file.exists():
                dead_links.append(file)
            else:
                listed.append((str(inside / file.name), file.stat().st_size))
    return listed


def _raise(error: OSError) -> None:
    raise error


def _check_entry(path: Path, name: str, size: int, packed: int) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise CourseError(_rejected(path, name, "would be written outside the target folder"))
    if size > MAX_FILE_BYTES or size > max(_RATIO_FROM_BYTES, MAX_RATIO * packed):
        raise CourseError(_rejected(path, name, f"expands from {packed} to {size} bytes, like a zip bomb"))


def _rejected(path: Path, name: str, reason: str) -> str:
    return f"{path} was rejected and nothing was unpacked: entry {name!r} {reason}; {OFFICIAL}."


def _select(path: Path, listed: list[tuple[str, int]]) -> tuple[Entry, ...]:
    entries, cities = [], {}
    for name, size in listed:
        location = name.replace("\\", "/")  # some programs for Windows write zips with backslashes
        match = _PATH.search(location)
        if match is None or "__MACOSX" in location:
            continue
        half, split, city, file = match.groups()
        if file is None and location.endswith("/"):
            cities.setdefault(f"{half}/{split}/{city}", 0)
        elif file is not None and not location.endswith("/"):
            if file.endswith(_FILE_END[half]):
                entries.append(Entry(name, f"{half}/{split}/{city}/{file}", size))
                cities[f"{half}/{split}/{city}"] = cities.get(f"{half}/{split}/{city}", 0) + 1
            elif _is_misnamed(half, file):
                raise CourseError(
                    f"{path} contains {name}, but such a file must end in {' or '.join(_FILE_END[half])}: rename it, "
                    "after conversion if it is not a PNG file."
                )
    if not entries:
        raise CourseError(f"{path} contains no Cityscapes frames, found {_top_folders(listed)}: {OFFICIAL}.")
    for city, count in cities.items():
        if not count:
            raise CourseError(
                f"{path} contains the empty city folder {city}: unpack or download it again, or remove the folder."
            )
    for target, count in Counter(entry.target for entry in entries).items():
        if count > 1:
            raise CourseError(f"{path} contains {target} {count} times: keep one of them.")
    return tuple(entries)


def _is_misnamed(half: str, file: str) -> bool:
    """Whether a file name differs from a valid one only in its case or in the format of the image."""
    stem, _, suffix = file.rpartition(".")
    image = half == "leftImg8bit" and stem.endswith("_leftImg8bit") and f".{suffix.lower()}" in SUFFIXES
    return image or file.lower().endswith(tuple(end.lower() for end in _FILE_END[half]))


def _top_folders(listed: list[tuple[str, int]]) -> str:
    folders = Counter("/".join(name.split("/")[:2]) for name, _ in listed)
    return ", ".join(name for name, _ in folders.most_common(3)) or "nothing"


def _describe_unknown(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(512)
    size = path.stat().st_size
    if not start:
        return f"{path} is empty: download it again."
    if start.lstrip()[:1] == b"<":
        return f"{path} is a web page, probably the login form: log in, then {OFFICIAL}."
    if start[:2] == b"PK":
        return f"{path} is a truncated zip ({size} bytes): download it again."
    return f"{path} is neither a zip nor a tar archive nor a folder ({size} bytes): {OFFICIAL}."
