"""Fetch published weights by URL: once, bounded in size, checked, kept in a cache.

The publisher gives no checksums. So a download is compared with the length and the MD5 that the server sends, and its
SHA-256 is noted next to the file at the first use: a file that changes in the cache later is refused. A source with a
`sha256` is compared with that as well.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path, write_text
from helpers.common.progress import progress

CACHE_VARIABLE = "COURSE_WEIGHTS"
TIMEOUT_S = 30
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file on a server: its `url`, its SHA-256 where it is known, and its name in the cache (default: the URL's)."""

    url: str
    sha256: str | None = None
    name: str = ""

    @property
    def file_name(self) -> str:
        """Name of the file in the cache."""
        return self.name or self.url.rsplit("/", 1)[-1]


def cache_folder() -> Path:
    """Folder of the cache: $COURSE_WEIGHTS, else ~/.cache/street-scene-course."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "street-scene-course").expanduser()


def fetch(source: Source, limit: int | None = None, folder: Path | None = None) -> Path:
    """Return the path of the file in the cache `folder`, downloaded if it is not there yet.

    Nothing above `limit` bytes is downloaded or accepted. The SHA-256 is printed and noted at the first use.
    Raises CourseError if the file cannot be downloaded, with the path to save it to by hand; if it is damaged or too
    large; and if a file in the cache has changed since its first use.
    """
    path = (folder or cache_folder()) / source.file_name
    noted = path.with_name(f"{path.name}.sha256")
    if path.is_file():
        expected = source.sha256 or (noted.read_text().strip() if noted.is_file() else None)
        _check_size(path.stat().st_size, limit, str(path))
        digest = sha256(path)
        if expected is not None and digest != expected:
            raise CourseError(
                f"{path} has changed since it was fetched (SHA-256 {digest[:12]}…, expected {expected[:12]}…): "
                "delete it and run again."
            )
        if not noted.is_file():  # saved by hand
            _note(noted, digest)
        return path
    with atomic_path(path) as temporary:
        _download(source, temporary, path, limit)
        digest = sha256(temporary)
        if source.sha256 is not None and digest != source.sha256:
            raise CourseError(
                f"The file from {source.url} has the SHA-256 {digest[:12]}…, expected {source.sha256[:12]}…: "
                "run again, and if it stays so, get the file from another source."
            )
        _note(noted, digest)
    return path


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _note(noted: Path, digest: str) -> None:
    write_text(noted, f"{digest}\n")
    print(f"{noted.stem}: SHA-256 {digest}, noted in {noted}", file=sys.stderr)


def _check_size(size: int, limit: int | None, origin: str) -> None:
    if limit is not None and size > limit:
        raise CourseError(
            f"{origin} has {size / 1e6:.1f} MB, and the network needs {limit / 1e6:.1f} MB at most: "
            "it is not the file that was published, do not use it."
        )


def _download(source: Source, temporary: Path, path: Path, limit: int | None) -> None:
    try:
        with urllib.request.urlopen(source.url, timeout=TIMEOUT_S) as answer, open(temporary, "wb") as file:
            length = int(answer.headers.get("Content-Length") or 0)
            _check_size(length, limit, source.url)
            md5, size = hashlib.md5(usedforsecurity=False), 0
            with progress(total=length or None, desc=path.name, unit="B", unit_scale=True) as bar:
                while block := answer.read(_BLOCK):
                    size += len(block)
                    _check_size(size, limit, source.url)
                    file.write(block)
                    md5.update(block)
                    bar.update(len(block))
            published_md5 = answer.headers.get("Content-MD5")
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise CourseError(
            f"Could not fetch {source.url} ({_reason(error)}): fetch it on a machine with access, save it as {path}, "
            "and run again."
        ) from error
    if length and size != length or published_md5 and base64.b64decode(published_md5) != md5.digest():
        raise CourseError(f"{source.url} arrived damaged ({size} of {length} bytes): run again to fetch it again.")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__
