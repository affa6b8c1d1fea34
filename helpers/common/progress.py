"""One progress bar for terminal, JupyterLab and log file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from tqdm.auto import tqdm
from tqdm.std import tqdm as text_tqdm


def headless() -> bool:
    """True when no one watches: the runner says so, or standard error is a file outside a notebook."""
    return os.environ.get("COURSE_HEADLESS") == "1" or ("ipykernel" not in sys.modules and not sys.stderr.isatty())


class _Lines(text_tqdm):
    """A bar that prints a plain line instead of redrawing one; in a notebook too, where `tqdm.auto` is a widget."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"mininterval": 10.0, "ascii": True, "ncols": 0, "file": sys.stdout, **kwargs})

    def display(self, msg=None, pos=None):
        # tqdm draws an empty bar when it starts; a log needs only what was done.
        if self.n:
            print(msg or str(self), file=self.fp, flush=True)
        return True


def progress(iterable: Iterable | None = None, *, desc: str = "", total: int | None = None, unit: str = "it", **kwargs):
    """A tqdm bar with time left; plain lines, ten seconds apart, when headless.

    Use it around an iterable, or as a context manager with `.update(n)` and `.set_postfix(...)`.
    """
    bar = _Lines if headless() else tqdm
    return bar(iterable, desc=desc, total=total, unit=unit, **kwargs)
