"""Predict labels with an exported network: the same call for every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.runtime import usable_cores
from helpers.cpu import pixels
from helpers.cpu.layers import bilinear
from helpers.datasets import Classes, normalise
from helpers.deployment.choice import MIN_AGREEMENT, Choice, choose
from helpers.deployment.engines import Runner, create
from helpers.deployment.exports import Export
from helpers.models.modes import evaluation_mode

# Fast-SCNN's largest maps take 64 bytes per pixel in float32; a larger image would fill the memory of a laptop.
MAX_MEGAPIXELS = 64


class Predictor:
    """Predict train ids of frames with the exported network in `folder`: `Predictor(folder)(frame)`.

    `engine` is a name in ALL_ENGINES, or "auto": the first frame then measures all engines that run on this machine,
    and the fastest one is kept whose labels agree with eager in at least the fraction `min_agreement` of the pixels.
    The choice is saved for this machine, export and frame size (`helpers.deployment.choice`). `threads`: CPU threads,
    by default one per core. `export.classes`, or `classes`, are the classes of the labels; None if the export has none.

    Only one thread may call a predictor at a time; use a `clone` in another thread. Use it in a `with` block, or call
    `close` to free the memory of the engine. Raises CourseError if the export cannot be read or the engine cannot run.
    """

    def __init__(
        self,
        folder: str | Path,
        engine: str = "paddle-onednn",
        threads: int | None = None,
        *,
        min_agreement: float = MIN_AGREEMENT,
    ):
        if threads is not None and threads < 1:
            raise CourseError(f"Expected at least one thread, got {threads}.")
        self.export = Export.read(folder)
        self.engine = engine
        self.threads = threads or usable_cores()
        self.choice: Choice | None = None  # set by "auto" on the first frame
        self._min_agreement = min_agreement
        self._workers: pixels.Workers | None = pixels.Workers(self.threads)
        self._run: Runner | None = None if engine == "auto" else create(engine, self.export, self.threads)

    @property
    def classes(self) -> Classes | None:
        """The classes of the labels, None if the export has none."""
        return self.export.classes

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return train ids uint8 (H, W) of a uint8 RGB frame (H, W, 3), or (N, H, W) of a batch (N, H, W, 3).

        Raises CourseError for another shape or dtype, and for more than MAX_MEGAPIXELS at once.
        """
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim not in (3, 4) or frame.shape[-1] != 3 or not frame.size:
            raise CourseError(
                f"Expected 8-bit RGB frames of shape (H, W, 3) or (N, H, W, 3), got {frame.dtype} {frame.shape}: "
                "convert an image with PIL's .convert('RGB')."
            )
        megapixels = frame.size / 3e6
        if megapixels > MAX_MEGAPIXELS:
            raise CourseError(
                f"Expected at most {MAX_MEGAPIXELS} megapixels at once, got {megapixels:.0f}: shrink the image, or "
                "predict it in parts."
            )
        batch = frame if frame.ndim == 4 else frame[np.newaxis]
        labels = self._labels(self._engine(frame), np.ascontiguousarray(batch))
        return labels if frame.ndim == 4 else labels[0]

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return logits (N, classes, H, W) of normalised images, float32 (N, 3, H, W).

        Raises CourseError if the graph is "labels", before "auto" has chosen an engine, and for other arrays.
        """
        logits = self.raw(x)
        if self.export.graph == "coarse":
            height, width = x.shape[2:]
            padded_hw = list(self.export.input_hw((height, width)))
            large = bilinear(paddle.to_tensor(logits), padded_hw, self.export.align_corners)
            logits = large[:, :, :height, :width].numpy()
        return logits

    def raw(self, x: np.ndarray) -> np.ndarray:
        """Return the output of the graph for normalised images: like `logits`, but of its own size if it is "coarse".

        The logits (N, classes, h, w) of that graph cover the image with its last row and column repeated, up to
        multiples of the stride.
        """
        if self.export.graph == "labels":
            raise CourseError(
                f"{self.export.folder} outputs labels: export the network with graph='logits' or 'coarse' for logits."
            )
        x = np.asarray(x)
        if x.dtype != np.float32 or x.ndim != 4 or x.shape[1] != 3 or not x.size:
            raise CourseError(
                f"Expected normalised images, float32 (N, 3, H, W), got {x.dtype} {x.shape}: make them with "
                "helpers.datasets.normalise."
            )
        if self.engine == "auto":
            raise CourseError('The engine "auto" is chosen on the first frame: call the predictor with a frame first.')
        padded = self.export.input_hw(x.shape[2:])
        missing = [(0, new - old) for new, old in zip(padded, x.shape[2:], strict=True)]
        return self._open()(np.ascontiguousarray(np.pad(x, [(0, 0), (0, 0), *missing], mode="edge")))

    def clone(self) -> Predictor:
        """Return another predictor, for another thread, with the same settings; weights are shared if possible."""
        if self._workers is None:
            self._open()
        twin = object.__new__(Predictor)
        twin.__dict__.update(self.__dict__)
        twin._workers = pixels.Workers(self.threads)
        twin._run = self._run.clone() if self._run else None
        return twin

    def close(self) -> None:
        """Free the memory of the engine; a second call does nothing."""
        self._run = None
        if self._workers:
            self._workers.close()
        self._workers = None

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _open(self) -> Runner:
        if self._run is None:
            raise CourseError("This predictor is closed: create a new one.")
        return self._run

    def _engine(self, frame: np.ndarray) -> Runner:
        if self.engine == "auto" and self._workers:
            one = frame if frame.ndim == 3 else frame[0]
            self.choice = choose(self.export, one, self._labels_by, self.threads, self._min_agreement)
            self.engine = self.choice.engine
            self._run = create(self.engine, self.export, self.threads)
        return self._open()

    def _labels_by(self, engine: str) -> Callable[[np.ndarray], np.ndarray]:
        runner = create(engine, self.export, self.threads)
        return lambda frame: self._labels(runner, np.ascontiguousarray(frame[np.newaxis]))[0]

    def _labels(self, run: Runner, frames: np.ndarray) -> np.ndarray:
        if self.export.graph == "labels":
            return run(frames).astype(np.uint8)
        size_hw = frames.shape[1:3]
        padded_hw = self.export.input_hw(size_hw)
        # A frame that needs padding is normalised here, where its edges are repeated in the same step.
        as_bytes = run.takes_frames and padded_hw == size_hw
        logits = run(frames if as_bytes else pixels.network_input(frames, self._workers, padded_hw))
        return pixels.labels_of(logits, size_hw, self.export.align_corners, self._workers, padded_hw)


def eager(net: nn.Layer) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from a frame to labels, in the simplest code: forward pass of the live network, then argmax.

    It maps uint8 RGB (H, W, 3) to train ids uint8 (H, W), and is the reference for labels and for times.
    `helpers.evaluation.predict` is faster.
    """

    def labels(frame: np.ndarray) -> np.ndarray:
        with paddle.no_grad(), evaluation_mode(net):
            logits = net(paddle.to_tensor(normalise(frame)[np.newaxis]))[0]  # (1, classes, H, W)
            return paddle.argmax(logits, axis=1)[0].numpy().astype(np.uint8)

    return labels
