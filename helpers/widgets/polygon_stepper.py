"""Draw the polygons of an annotation over the image, one by one."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets
import numpy as np

from helpers.cityscapes.annotations import read_annotations
from helpers.datasets import Frame, read_image
from helpers.plotting.data import polygon_picture
from helpers.widgets.class_switches import palette_choice
from helpers.widgets.demo import Demo
from helpers.widgets.picture import Picture


class PolygonStepper(Demo):
    """Step through the annotation of one frame in drawing order, back to front.

    Controls: `count` (polygons drawn), `play` (draws one after another), `opacity`, `palette`. Outputs: `picture`,
    `status` (label of the last polygon drawn).
    """

    def __init__(self, frame: Frame):
        self._classes = frame.dataset.classes
        self._image: np.ndarray = read_image(frame)
        self._polygons = read_annotations(frame).polygons
        self._labels = [each["label"] for each in self._polygons["objects"] if not each.get("deleted")]
        total = len(self._labels)
        self.count = widgets.IntSlider(0, min=0, max=total, description="polygons")
        self.play = widgets.Play(0, min=0, max=total, interval=300)
        widgets.link((self.play, "value"), (self.count, "value"))
        self.opacity = widgets.FloatSlider(0.6, min=0, max=1, step=0.1, description="opacity")
        self.palette = palette_choice()
        self.status = widgets.HTML()
        self.picture = Picture(alt="polygons over the image")
        self._listen(self._draw, self.count, self.opacity, self.palette)
        self._draw()
        super().__init__(
            [
                widgets.HBox([self.play, self.count, self.status]),
                widgets.HBox([self.opacity, self.palette]),
                self.picture,
            ]
        )

    def _draw(self) -> None:
        count = self.count.value
        self.status.value = f"<b>{escape(self._labels[count - 1])}</b>" if count else "no polygon yet"
        classes = self._classes.with_palette(self.palette.value)
        self.picture.show(polygon_picture(self._image, self._polygons, count, classes, self.opacity.value))
