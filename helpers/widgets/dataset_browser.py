"""Browse a data set by split, city and frame, as image, overlay or labels, with the class at the pointer."""

from __future__ import annotations

from html import escape
from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np

from helpers.cityscapes import IGNORE, LABELS, Frame, colorize, index, read_image, splits
from helpers.cityscapes.annotations import read_annotations
from helpers.common.errors import CourseError
from helpers.plotting.base import overlay
from helpers.widgets.class_switches import ClassSwitches
from helpers.widgets.picture import Picture, pixel_at
from helpers.widgets.quiet import Quiet

WIDTH = 1024  # pixels, largest width sent to the browser; the pointer reads labels at full resolution
_BY_ID = {label.id: label for label in LABELS}


class DatasetBrowser(Quiet, widgets.VBox):
    """Browse the frames in `root`; offers every split that has frames. Raises CourseError if there is no frame.

    Controls: `split`, `city`, `number` (index of the frame in its city), `view`, `opacity`, `switches` (ClassSwitches).
    Outputs: `picture`, `stem`, `under` (label at the pointer). `frame` is the current frame.
    """

    def __init__(self, root: str | Path):
        self._frames = {split: index(root, split) for split in splits(root)}
        if not self._frames:
            raise CourseError(f"Found no frame in {root}: pass the folder that contains leftImg8bit/ and gtFine/.")
        self.split = widgets.ToggleButtons(options=list(self._frames), description="split")
        self.city = widgets.Dropdown(description="city")
        self.number = widgets.IntSlider(min=0, max=0, description="frame")
        self.view = widgets.ToggleButtons(options=["image", "overlay", "labels"], value="overlay", description="view")
        self.opacity = widgets.FloatSlider(0.5, min=0, max=1, step=0.05, description="opacity")
        self.switches = ClassSwitches()
        self.picture = Picture()
        self.stem = widgets.HTML()
        self.under = widgets.HTML(_HINT)
        self._connect()
        self._choose_split()
        super().__init__(
            [
                widgets.HBox([self.split, self.city]),
                widgets.HBox([self.number, self.stem]),
                widgets.HBox([self.view, self.opacity]),
                self.picture,
                self.under,
                self.switches,
            ]
        )

    @property
    def frame(self) -> Frame:
        """The current frame."""
        return self._in_city[self.number.value]

    def class_at(self, x: float, y: float) -> str:
        """Describe the label at (x, y), fractions of width and height: "car, train id 13, label id 26, ..."."""
        if self._ids is None:
            return "the labels of the test split are not public"
        row, column = pixel_at(x, y, self._ids.shape)
        label = _BY_ID[int(self._ids[row, column])]
        kind = "ignored" if label.trainId in (IGNORE, -1) else f"train id {label.trainId}"
        parts = [label.name, kind, f"label id {label.id}", label.category]
        if self._instances[row, column] >= 1000:
            parts.append(f"instance {self._instances[row, column]}")
        return ", ".join(parts)

    def _connect(self) -> None:
        self._listen(self._choose_split, self.split)
        self._listen(self._choose_city, self.city)
        self._listen(self._load, self.number)
        self._listen(self._draw, self.view, self.opacity)
        self._listen(self._draw, self.switches, names="on")
        self._listen(self._point, self.picture, names=["pointer", "clicked"])

    def _choose_split(self) -> None:
        with self._quietly():
            self.city.options = sorted({frame.city for frame in self._frames[self.split.value]})
            self.city.index = 0
        self._choose_city()

    def _choose_city(self) -> None:
        self._in_city = [frame for frame in self._frames[self.split.value] if frame.city == self.city.value]
        with self._quietly():
            self.number.value = 0
            self.number.max = len(self._in_city) - 1
        self._load()

    def _load(self) -> None:
        frame = self.frame
        self._image = _shrink(read_image(frame), cv2.INTER_AREA)
        self._labels = self._ids = self._instances = None
        if frame.label.is_file():
            read = read_annotations(frame)
            self._labels = _shrink(read.train_ids, cv2.INTER_NEAREST)
            self._ids, self._instances = read.label_ids, read.instance_ids
        self.stem.value = f"<code>{escape(frame.stem)}</code>"
        with self._quietly():
            self.picture.clicked = []
        self._point()
        self._draw()

    def _draw(self) -> None:
        if self.view.value == "image" or self._labels is None:
            self.picture.show(self._image)
            return
        labels = self.switches.keep(self._labels)
        if self.view.value == "labels":
            self.picture.show(colorize(labels), "png")
        else:
            self.picture.show(overlay(self._image, labels, self.opacity.value))

    def _point(self) -> None:
        at = self.picture.position
        self.under.value = f"<b>{escape(self.class_at(*at))}</b>" if at else _HINT


_HINT = "Point at the image or click on it to see the class."


def _shrink(array: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = array.shape[:2]
    if width <= WIDTH:
        return array
    return cv2.resize(array, (WIDTH, round(height * WIDTH / width)), interpolation=interpolation)
