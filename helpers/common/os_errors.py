"""Explain errors of the operating system in one sentence."""

from __future__ import annotations

import errno
from pathlib import Path

from helpers.common.errors import CourseError

_FULL = "The disk of {path} is full: free some space, or choose a folder on another disk."
_DENIED = "{path} may not be read or written: change its permissions, or choose another folder."
_OPEN_FILES = "Too many files are open, at {path}: use fewer workers, or raise the limit with `ulimit -n 4096`."
_SENTENCES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "The disk quota of {path} is full: free some space, or choose a folder on another disk.",
    errno.EFBIG: "{path} is larger than its file system or `ulimit -f` allows: choose a folder on another disk.",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "{path} lies on a read-only file system: choose another folder.",
    errno.ENOENT: "{path} does not exist: check the path.",
    errno.EISDIR: "Expected a file, got the folder {path}: give the path of a file.",
    errno.ENOTDIR: "Expected a folder, but a part of {path} is a file: check the path.",
    errno.EEXIST: "{path} exists already: remove it, or choose another path.",
    errno.ENOTEMPTY: "The folder {path} is not empty: remove it, or choose another path.",
    errno.ENAMETOOLONG: "The name {path} is too long for the file system: choose a shorter one.",
    errno.EINVAL: "{path} is not a name that the file system accepts: choose another one.",
    errno.ELOOP: "{path} is a link that leads back to itself: remove it.",
    errno.EXDEV: "{path} lies on another disk than its target: put both on one disk.",
    errno.EMFILE: _OPEN_FILES,
    errno.ENFILE: _OPEN_FILES,
    errno.ENOMEM: "Not enough memory, at {path}: close other programs, or use fewer workers.",
    errno.EIO: "The disk of {path} reports an error: check it, or choose a folder on another disk.",
    errno.ETXTBSY: "{path} is a running program: end it first.",
    errno.EBUSY: "{path} is in use by another program: end it first.",
    errno.EADDRINUSE: "The network port is in use by another program: choose another one.",
}


def explain(error: OSError, path: str | Path = "") -> str | None:
    """Return one sentence for an error of the operating system, or None if it has none.

    The sentence names the file of the error, or else `path`.
    """
    sentence = _SENTENCES.get(error.errno)
    name = error.filename if isinstance(error.filename, (str, bytes)) and error.filename else path
    return sentence and sentence.format(path=readable(name) or "a file")


def as_course_error(error: OSError, path: str | Path = "") -> Exception:
    """Return the CourseError that explains `error`, or `error` itself if there is no sentence for it."""
    sentence = explain(error, path)
    return CourseError(sentence) if sentence else error


def readable(name: str | bytes | Path) -> str:
    """Return a file name that can be printed: bytes that are not UTF-8 are written as \\xff."""
    name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
