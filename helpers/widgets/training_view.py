"""Show the prediction for one frame while the network is trained."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets
import numpy as np

from helpers.datasets import Classes
from helpers.plotting import overlay
from helpers.widgets.class_switches import palette_choice
from helpers.widgets.picture import Picture


class TrainingView(ipywidgets.VBox):
    """A frame overlaid with the prediction; `look(iteration, net)` updates it.

    `image` is uint8 RGB (H, W, 3); `predict(net, image)` returns train ids (H, W) of `classes`. `picture` is the image
    widget, `note` the line below it, `palette` the choice of colours; `seen` keeps every (iteration, train ids) shown.
    """

    def __init__(
        self,
        image: np.ndarray,
        predict: Callable[[object, np.ndarray], np.ndarray],
        classes: Classes,
        title: str = "",
    ):
        self.image, self.predict, self.classes, self.title = image, predict, classes, title
        self.seen: list[tuple[int, np.ndarray]] = []
        self.picture = Picture(pointing=False, alt="the frame", layout={"width": f"{min(image.shape[1], 640)}px"})
        self.picture.show(image, "png")
        self.note = ipywidgets.Label(f"{title}: not yet predicted")
        self.palette = palette_choice()
        self.palette.observe(lambda _: self._draw(), "value")
        super().__init__([self.picture, self.note, self.palette])

    def look(self, iteration: int, net: object) -> None:
        """Predict the frame and show the result."""
        train_ids = self.predict(net, self.image)
        self.seen.append((iteration, train_ids))
        self.note.value = f"{self.title}: after iteration {iteration}"
        self._draw()

    def _draw(self) -> None:
        if self.seen:
            classes = self.classes.with_palette(self.palette.value)
            self.picture.alt = f"the frame with the prediction {self.note.value.removeprefix(f'{self.title}: ')}"
            self.picture.show(overlay(self.image, self.seen[-1][1], classes, 0.7), "png")
