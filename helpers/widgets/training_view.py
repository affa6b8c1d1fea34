"""What the network says about one frame, again and again while it is trained."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import ipywidgets
import numpy as np

from helpers.plotting import overlay


class TrainingView(ipywidgets.VBox):
    """A picture of a frame with the prediction laid over it; `look(iteration, net)` brings it up to date.

    `image`: uint8 RGB (H, W, 3). `predict(net, image)` gives train ids (H, W). `picture` is the image widget, `note` a
    line below it, and `seen` keeps every (iteration, train ids) that was shown.
    """

    def __init__(self, image: np.ndarray, predict: Callable[[object, np.ndarray], np.ndarray], title: str = ""):
        self.image, self.predict, self.title = image, predict, title
        self.seen: list[tuple[int, np.ndarray]] = []
        self.picture = ipywidgets.Image(format="png", value=_png(image), width=min(image.shape[1], 640))
        self.note = ipywidgets.Label(f"{title}: before the first look")
        super().__init__([self.picture, self.note])

    def look(self, iteration: int, net: object) -> None:
        """Predict the frame and show it."""
        train_ids = self.predict(net, self.image)
        self.seen.append((iteration, train_ids))
        self.picture.value = _png(overlay(self.image, train_ids, 0.7))
        self.note.value = f"{self.title}: after iteration {iteration}"


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()
