"""What files of tests share when they run in one process, in any order."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import sys

import numpy as np


def seed() -> None:
    """Seed the global generators, so that random weights and images of a test do not depend on the tests before it."""
    random.seed(0)
    np.random.seed(0)
    if "paddle" in sys.modules:
        sys.modules["paddle"].seed(0)


def process_state() -> dict[str, object]:
    """Return what a test may change for its own time only, by name."""
    variables = {f"variable {name}": value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    handlers = {each.name: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    state = {
        "current directory": os.getcwd(),  # noqa: PTH109 (a string prints well)
        "running event loop": _event_loop(),
        "largest file": resource.getrlimit(resource.RLIMIT_FSIZE),
        **handlers,
        **variables,
    }
    if "paddle" in sys.modules:
        paddle = sys.modules["paddle"]
        state |= {"Paddle mode": paddle.in_dynamic_mode(), "Paddle dtype": paddle.get_default_dtype()}
    return state


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """List what differs. New names are not listed: libraries add variables when they are imported."""
    return [
        f"{name}: {value!r} became {after.get(name)!r}" for name, value in before.items() if after.get(name) != value
    ]


def _event_loop() -> str | None:
    try:
        return repr(asyncio.get_running_loop())
    except RuntimeError:
        return None
