"""Keep the caches of all libraries in the project: a run of the course writes nothing into the home folder.

Libraries create such folders at import, also where the home folder is missing or read-only, as in many containers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from helpers.common.files import PROJECT


def settings() -> dict[str, str]:
    """Return the environment variables that name the caches, by name."""
    root = folder()
    chosen = {
        "SEG_HOME": str(root / "paddleseg"),  # PaddleSeg creates three folders in it at import
        "MPLCONFIGDIR": str(root / "matplotlib"),
        "IPYTHONDIR": str(root / "ipython"),  # the history of kernels
        "PADDLE_EXTENSION_DIR": str(root / "paddle"),
        "XDG_CACHE_HOME": str(root / "xdg"),  # fontconfig and everything else that follows the standard
    }
    if not root.is_relative_to(PROJECT):  # else Numba caches next to the source
        chosen["NUMBA_CACHE_DIR"] = str(root / "numba")
    return chosen


def of_jupyter() -> dict[str, str]:
    """Return the variables for headless kernels, by name; JupyterLab keeps the settings of its user."""
    return {f"JUPYTER_{kind}_DIR": str(folder() / "jupyter") for kind in ("CONFIG", "DATA", "RUNTIME")}


@cache
def folder() -> Path:
    """Return the folder of all caches: .cache in the project, or in the temporary folder if that is read-only."""
    inside = PROJECT / ".cache"
    try:
        inside.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=inside):  # os.access is wrong for root and on read-only file systems
            return inside
    except OSError:
        outside = Path(tempfile.gettempdir()) / f"street-scenes-{os.getuid()}"
        try:
            outside.mkdir(mode=0o700, exist_ok=True)
            if outside.stat().st_uid == os.getuid() and not outside.is_symlink():
                return outside
        except OSError:
            pass
        return Path(tempfile.mkdtemp(prefix="street-scenes-"))  # another user holds the name


@contextmanager
def as_home() -> Iterator[None]:
    """Let HOME be the folder of caches, for libraries that ask nothing else."""
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(folder())
    try:
        yield
    finally:
        if before is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before
