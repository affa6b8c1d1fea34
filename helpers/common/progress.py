"""A progress bar for terminals, JupyterLab and log files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from tqdm.auto import tqdm
from tqdm.std import tqdm as text_tqdm


def headless() -> bool:
    """Return whether output goes to a log: COURSE_HEADLESS is 1, or standard error is no terminal and no notebook."""
    return os.environ.get("COURSE_HEADLESS") == "1" or ("ipykernel" not in sys.modules and not sys.stderr.isatty())


class _Lines(text_tqdm):
    """A bar that prints a new line at each update, also in a notebook, where `tqdm.auto` is a widget."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"mininterval": 10.0, "ascii": True, "ncols": 0, "file": sys.stdout, **kwargs})

    def display(self, msg=None, pos=None):
        # tqdm draws an empty bar at the start, which a log does not need.
        if self.n:
            print(msg or str(self), file=self.fp, flush=True)
        return True


def progress(iterable: Iterable | None = None, *, desc: str = "", total: int | None = None, unit: str = "it", **kwargs):
    """Return a tqdm bar; when headless, one that prints a line every ten seconds.

    Wrap an iterable in it, or use it as a context manager with `.update(n)` and `.set_postfix(...)`. `total` is the
    number of iterations if the iterable has no length; other keywords are passed to tqdm.
    """
    bar = _Lines if headless() else tqdm
    return bar(iterable, desc=desc, total=total, unit=unit, **kwargs)
