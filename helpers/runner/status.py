"""Progress of a notebook: one redrawn line in a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO


def clock(seconds: float) -> str:
    """Format seconds as "1:05" or "2:00:07"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


class Status:
    """Print start and end of one notebook and, in a terminal, the running cell every second.

    `total` is the number of code cells; `next()` marks the start of the next one, whose number is `count`.
    """

    def __init__(self, name: str, total: int, stream: TextIO | None = None):
        self.name = name
        self.total = total
        self.count = 0
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()

    def next(self) -> None:
        """Mark the start of the next cell."""
        self.count += 1
        self._draw()

    def __enter__(self) -> Status:
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        if self.live:
            self._ticker.start()
        else:
            self._line("started")
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._ended.set()
        if self.live:
            self._ticker.join()
        took = clock(time.monotonic() - self._started)
        self._line(
            f"done in {took}, {self.count} cells" if kind is None else f"stopped at cell {self.count} after {took}"
        )

    def _line(self, text: str) -> None:
        print(f"{self._clear()}{self.name}: {text}", file=self.stream, flush=True)

    def _draw(self) -> None:
        if self.live:
            took = clock(time.monotonic() - self._started)
            print(
                f"{self._clear()}{self.name}: cell {self.count} of {self.total}, {took}",
                end="",
                file=self.stream,
                flush=True,
            )

    def _clear(self) -> str:
        return "\r\x1b[K" if self.live else ""

    def _tick(self) -> None:
        while not self._ended.wait(1.0):
            self._draw()
