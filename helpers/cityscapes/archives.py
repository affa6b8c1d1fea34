"""What an archive or a folder offers: the Cityscapes files in it, checked before anything is written.

Archives are untrusted. They are read to the end first and refused as a whole when an entry has a name that leaves its
folder, is a link or a device, or unpacks to far more than it occupies. Only files whose path has the official form are
offered, and where they go is put together from the parts of that form.
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

MAX_FILE_BYTES = 256 << 20  # the largest single file: an official image has 2.5 MB
MAX_RATIO = 200  # unpacked to packed size; PNG and JSON stay far below
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
    """One file that a source offers: its name there, where it belongs below the root, its size in bytes."""

    name: str
    target: str
    size: int

    @property
    def stem(self) -> str:
        """ "<city>_<sequence>_<frame>"."""
        name = self.target.rsplit("/", 1)[1]
        return name.removesuffix(IMAGE_END) if name.endswith(IMAGE_END) else name.rsplit("_gtFine_", 1)[0]


@dataclass(frozen=True)
class Source:
    """A zip, a tar or a folder, and the Cityscapes files in it. `kind`: zip, tar or folder."""

    path: Path
    kind: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all entries, unpacked."""
        return sum(entry.size for entry in self.entries)


def open_source(path: str | Path) -> Source:
    """List what `path` offers. Raises CourseError when it is missing, broken, dangerous, or something else."""
    path = Path(path).expanduser()
    if not path.exists():
        raise CourseError(f"{path} does not exist: {OFFICIAL}.")
    try:
        if path.is_dir():
            kind, listed = "folder", _list_folder(path)
        elif zipfile.is_zipfile(path):
            kind, listed = "zip", _list_zip(path)
        elif tarfile.is_tarfile(path):
            kind, listed = "tar", _list_tar(path)
        else:
            raise CourseError(_what_it_is_instead(path))
    except PermissionError as error:
        raise CourseError(f"{error.filename or path} may not be read: give yourself the right to.") from error
    except BROKEN as error:
        raise CourseError(
            f"{path} is broken or was cut off ({error}); it has {path.stat().st_size} bytes: download it again."
        ) from error
    return Source(path, kind, _select(path, listed))


def _list_zip(path: Path) -> list[tuple[str, int]]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise CourseError(_refused(path, info.filename, "is a link or a device, which no data set needs"))
        if info.flag_bits & 1:
            raise CourseError(_refused(path, info.filename, "is encrypted, which the official archives are not"))
        _check_entry(path, info.orig_filename, info.file_size, info.compress_size)
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for this, following in zip(ordered, ordered[1:], strict=False):
        if this.header_offset + this.compress_size > following.header_offset:
            raise CourseError(_refused(path, following.filename, "shares its bytes with another one, as bombs do"))
    return [(info.filename, info.file_size) for info in infos]


class _StrictTarInfo(tarfile.TarInfo):
    """tarfile takes a damaged or missing header for the end of the archive; only a block of zeros is that."""

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
    limit = max(_RATIO_FROM_BYTES, MAX_RATIO * path.stat().st_size)
    with tarfile.open(path, tarinfo=_StrictTarInfo) as archive:
        for info in archive:
            if not (info.isfile() or info.isdir()) or info.issparse():
                raise CourseError(_refused(path, info.name, "is a link or a device, which no data set needs"))
            total += info.size
            _check_entry(path, info.name, info.size, packed=info.size)
            if total > limit:
                raise CourseError(_refused(path, info.name, f"brings it to {MAX_RATIO} times its packed size"))
            listed.append((info.name + "/" * info.isdir(), info.size))
        while rest := archive.fileobj.read(1 << 20):  # a compressed tar states its checksum at the very end
            total += len(rest)
            if total > limit:
                raise CourseError(_refused(path, "its end", f"brings it to {MAX_RATIO} times its packed size"))
    return listed


def _list_folder(path: Path) -> list[tuple[str, int]]:
    # A folder is the user's own: links in it are followed, since data sets are often linked together from disks.
    start = path.resolve()
    listed = []
    for folder, _, names in os.walk(start, followlinks=True):
        inside = PurePosixPath(start.name) / Path(folder).relative_to(start).as_posix()
        listed.append((f"{inside}/", 0))
        listed += [(str(inside / name), (Path(folder) / name).stat().st_size) for name in names]
    return listed


def _check_entry(path: Path, name: str, size: int, packed: int) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise CourseError(_refused(path, name, "would be written outside the target folder"))
    if size > MAX_FILE_BYTES or size > max(_RATIO_FROM_BYTES, MAX_RATIO * packed):
        raise CourseError(_refused(path, name, f"unpacks from {packed} to {size} bytes, as bombs do"))


def _refused(path: Path, name: str, what: str) -> str:
    return f"{path} is refused, nothing was unpacked: its entry {name!r} {what}; {OFFICIAL}."


def _select(path: Path, listed: list[tuple[str, int]]) -> tuple[Entry, ...]:
    entries, cities = [], {}
    for name, size in listed:
        match = _PATH.search(name)
        if match is None or "__MACOSX" in name:
            continue
        half, split, city, file = match.groups()
        if file is None and name.endswith("/"):
            cities.setdefault(f"{half}/{split}/{city}", 0)
        elif file is not None and not name.endswith("/") and file.endswith(_FILE_END[half]):
            entries.append(Entry(name, f"{half}/{split}/{city}/{file}", size))
            cities[f"{half}/{split}/{city}"] = cities.get(f"{half}/{split}/{city}", 0) + 1
    if not entries:
        raise CourseError(f"{path} is not what is needed: it holds {_tops(listed)}; {OFFICIAL}.")
    for city, count in cities.items():
        if not count:
            raise CourseError(
                f"{path} has the city folder {city} with no frame in it: get it again, or remove the folder."
            )
    for target, count in Counter(entry.target for entry in entries).items():
        if count > 1:
            raise CourseError(f"{path} holds {target} {count} times: keep one of them.")
    return tuple(entries)


def _tops(listed: list[tuple[str, int]]) -> str:
    tops = Counter("/".join(name.split("/")[:2]) for name, _ in listed)
    return ", ".join(name for name, _ in tops.most_common(3)) or "nothing"


def _what_it_is_instead(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(512)
    size = path.stat().st_size
    if not start:
        return f"{path} is empty: download it again."
    if start.lstrip()[:1] == b"<":
        return f"{path} is a web page, probably the one that asks you to log in: log in, then {OFFICIAL}."
    if start[:2] == b"PK":
        return f"{path} was cut off: it begins as a zip and lacks the end; it has {size} bytes; download it again."
    return f"{path} is neither a zip nor a tar nor a folder ({size} bytes): {OFFICIAL}."
