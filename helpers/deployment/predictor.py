"""Frames in, labels out: one call for every engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from helpers.datasets import normalise
from helpers.deployment.engines import ENGINES, Runner
from helpers.deployment.graphs import Export
from helpers.errors import CourseError
from helpers.evaluation import predict
from helpers.runtime import usable_cores


class Predictor:
    """Train ids for frames, by an exported network: `Predictor(folder)(frame)`. One thread may call it at a time.

    `engine` is a name in ENGINES, `threads` a number of CPU threads, by default one per core. Use it in a `with` block
    or call `close`, which frees the engine's memory.
    """

    def __init__(self, folder: str | Path, engine: str = "paddle-onednn", threads: int | None = None):
        if engine not in ENGINES:
            raise CourseError(f"There is no engine {engine!r}: choose one of {', '.join(ENGINES)}.")
        if threads is not None and threads < 1:
            raise CourseError(f"An engine needs at least one thread, not {threads}.")
        self.engine = engine
        self.export = Export.read(folder)
        self._run: Runner | None = ENGINES[engine].create(self.export, threads or usable_cores())

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """uint8 RGB (H, W, 3) to train ids uint8 (H, W); a batch (N, H, W, 3) to (N, H, W)."""
        if self._run is None:
            raise CourseError("This predictor is closed: make a new one.")
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim not in (3, 4) or frame.shape[-1] != 3 or not frame.size:
            raise CourseError(
                f"Expected 8-bit RGB frames of shape (H, W, 3) or (N, H, W, 3), got {frame.dtype} {frame.shape}: "
                "convert an image with PIL's .convert('RGB')."
            )
        batch = frame if frame.ndim == 4 else frame[np.newaxis]
        if self.export.graph == "labels":
            labels = self._run(np.ascontiguousarray(batch))
        else:
            labels = self._run(np.stack([normalise(image) for image in batch])).argmax(axis=1)
        labels = labels.astype(np.uint8)
        return labels if frame.ndim == 4 else labels[0]

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Normalised images float32 (N, 3, H, W) to logits (N, 19, H, W). Raises CourseError for a graph of labels."""
        if self.export.graph != "logits" or self._run is None:
            raise CourseError("This model gives labels or is closed: export it with graph='logits', or open it again.")
        return self._run(np.ascontiguousarray(x))

    def close(self) -> None:
        """Free what the engine holds; calling it again does nothing."""
        self._run = None

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def eager(net: nn.Layer) -> Callable[[np.ndarray], np.ndarray]:
    """The live network with the call of a Predictor, for comparison."""
    return partial(predict, net)
