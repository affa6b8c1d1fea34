"""Label frames live: choose frame, network, engine and threads, see labels and latency."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from helpers.common.errors import CourseError
from helpers.common.runtime import usable_cores
from helpers.datasets import Classes
from helpers.deployment import ALL_ENGINES, Predictor, available
from helpers.plotting.base import overlay
from helpers.widgets.class_switches import palette_choice
from helpers.widgets.demo import Demo
from helpers.widgets.picture import Picture

RUNS = 3  # the latency shown is their median, of fewer if they take longer than
SECONDS = 0.2


class DeployDemo(Demo):
    """Label `images`, uint8 (H, W, 3) each, with the exported networks in `folders` ({name: folder}).

    Controls: `number` (index of the image), `network`, `engine`, `threads`, `opacity`, `palette`. Outputs: `picture`,
    `status`; `labels` and `latency_ms` belong to the current picture. Open predictors are reused until `close_all`.
    Raises CourseError without a network or an image.
    """

    def __init__(self, folders: Mapping[str, str | Path], images: Sequence[np.ndarray], engine: str = "paddle-onednn"):
        if not folders or not len(images):
            raise CourseError(
                f"Expected at least one exported network and one image, got {len(folders)}, {len(images)}."
            )
        self._folders, self._images = dict(folders), list(images)
        self._predictors: dict[tuple[str, str, int], Predictor] = {}
        self.labels: np.ndarray | None = None
        self._classes: Classes | None = None  # of the network that predicted `labels`
        self.latency_ms = float("nan")
        wide = {"style": {"description_width": "5em"}}
        self.number = widgets.IntSlider(0, 0, len(images) - 1, description="frame", continuous_update=False, **wide)
        self.network = widgets.Dropdown(options=list(self._folders), description="network", **wide)
        engines = [(ALL_ENGINES[name].title, name) for name in available() if not ALL_ENGINES[name].reads_onnx]
        self.engine = widgets.Dropdown(options=engines, value=engine, description="engine", **wide)
        cores = usable_cores()
        self.threads = widgets.IntSlider(cores, 1, cores, description="threads", continuous_update=False, **wide)
        self.opacity = widgets.FloatSlider(0.6, min=0, max=1, step=0.05, description="opacity", **wide)
        self.picture, self.status = Picture(alt="the frame with its labels"), widgets.HTML()
        self.palette = palette_choice()
        self._listen(self._predict, self.number, self.network, self.engine, self.threads)
        self._listen(self._draw, self.opacity, self.palette)
        self._predict()
        rows = [[self.number, self.threads], [self.network, self.engine], [self.opacity, self.palette]]
        super().__init__([*map(widgets.HBox, rows), self.picture, self.status])

    def close_all(self) -> None:
        """Free the engines; the next prediction opens one again."""
        for predictor in self._predictors.values():
            predictor.close()
        self._predictors.clear()

    def _predict(self) -> None:
        image = self._images[self.number.value]
        key = self.network.value, self.engine.value, self.threads.value
        self.status.value = "…"
        try:
            if key not in self._predictors:
                self._predictors[key] = Predictor(self._folders[key[0]], key[1], key[2])
            predictor = self._predictors[key]
            if predictor.classes is None:
                raise CourseError(f"{self._folders[key[0]]} has no colours: export the network with its classes.")
            predictor(image)  # the first run prepares for this size
            times = []
            while len(times) < RUNS and sum(times) < 1000 * SECONDS:
                started = time.perf_counter()
                self.labels = predictor(image)
                times.append(1000 * (time.perf_counter() - started))
        except CourseError as error:
            self._show_error(str(error))
            return
        self._classes = predictor.classes
        self.latency_ms = float(np.median(times))
        height, width = image.shape[:2]
        self.status.value = (
            f"<b>{self.latency_ms:.1f} ms</b> from frame to labels, {1000 / self.latency_ms:.0f} frames per second "
            f"({width} x {height}, median of {len(times)})"
        )
        self._draw()

    def _draw(self) -> None:
        if self.labels is not None:
            image = self._images[self.number.value]
            self.picture.show(
                overlay(image, self.labels, self._classes.with_palette(self.palette.value), self.opacity.value)
            )
