"""The plain evaluation that the benchmarks compare with (scripts/plain_evaluation.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from helpers.common import runtime
from helpers.common.files import PROJECT
from helpers.datasets import Frame

PLAIN = PROJECT / "scripts" / "plain_evaluation.py"
PlainEvaluation = Callable[[], tuple[dict[str, float], np.ndarray]]


@contextmanager
def plain_evaluation(weights: Path, frames: list[Frame]) -> Iterator[PlainEvaluation]:
    """Start a process without the settings of helpers.common.runtime, and yield a function that evaluates in it.

    Fast-SCNN with the file `weights` labels `frames` at each call. The function returns the seconds of each stage,
    summed over the frames, and the confusion matrix, int64 (19, 19). Raises RuntimeError when the process has ended.
    """
    environment = {name: value for name, value in os.environ.items() if name not in runtime.settings()}
    paths = [str(path) for frame in frames for path in (frame.image, frame.label)]
    process = subprocess.Popen(
        [sys.executable, str(PLAIN), str(weights), *paths],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def once() -> tuple[dict[str, float], np.ndarray]:
        process.stdin.write("again\n")
        process.stdin.flush()
        while not (line := process.stdout.readline()).startswith("{"):  # Paddle may print something when it starts
            if not line:
                raise RuntimeError(f"the plain evaluation ended with exit code {process.wait()}")
        answer = json.loads(line)
        return answer["seconds"], np.array(answer["matrix"])

    try:
        yield once
    finally:
        process.stdin.close()
        process.wait()
