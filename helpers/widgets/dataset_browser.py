"""Browse a data set by split, group and frame, as image, overlay or labels, with the class at the pointer."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np

from helpers.cityscapes import LABELS
from helpers.cityscapes.convert import read_label_ids
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, Dataset, Frame, read_image, read_label
from helpers.datasets.frames import read_png
from helpers.plotting.base import overlay
from helpers.widgets.class_switches import ClassSwitches
from helpers.widgets.demo import Demo
from helpers.widgets.picture import Picture, pixel_at

WIDTH = 1024  # pixels, largest width sent to the browser; the pointer reads labels at full resolution
_BY_ID = {label.id: label for label in LABELS}


class DatasetBrowser(Demo):
    """Browse the frames of a data set; offers every split that has frames. Raises CourseError if there is no frame.

    Controls: `split`, `group` (hidden if there is only one), `number` (index of the frame in its group), `view`,
    `opacity`, `switches` (ClassSwitches). Outputs: `picture`, `status` (name of the frame, or why it cannot be read),
    `under` (label at the pointer). `frame` is the current frame.
    """

    def __init__(self, dataset: Dataset):
        self._classes = dataset.classes
        self._frames = {split: dataset.frames(split) for split in dataset.existing_splits()}
        if not self._frames:
            raise CourseError(f"Found no frame in {dataset.root}: expected images like {dataset.images}.")
        self.split = widgets.ToggleButtons(options=list(self._frames), description="split")
        self.group = widgets.Dropdown(description="group")
        self.number = widgets.IntSlider(min=0, max=0, description="frame")
        self.view = widgets.ToggleButtons(options=["image", "overlay", "labels"], value="overlay", description="view")
        self.opacity = widgets.FloatSlider(0.5, min=0, max=1, step=0.05, description="opacity")
        self.switches = ClassSwitches(dataset.classes)
        self.picture = Picture(alt="a frame with its labels")
        self.status = widgets.HTML()
        self.under = widgets.HTML(_HINT)
        self._connect()
        self._choose_split()
        super().__init__(
            [
                widgets.HBox([self.split, self.group]),
                widgets.HBox([self.number, self.status]),
                widgets.HBox([self.view, self.opacity]),
                self.picture,
                self.under,
                self.switches,
            ]
        )

    @property
    def frame(self) -> Frame:
        """The current frame."""
        return self._in_group[self.number.value]

    def class_at(self, x: float, y: float) -> str:
        """Describe the label at (x, y), fractions of width and height: "car, train id 13, label id 26, ...".

        Label ids and instances are part of it where the data set has these annotations.
        """
        if self._train_ids is None:
            return "this frame has no label"
        at = pixel_at(x, y, self._train_ids.shape)
        train_id = int(self._train_ids[at])
        known = train_id != IGNORE
        parts = [self._classes.names[train_id], f"train id {train_id}"] if known else ["ignored"]
        if self._label_ids is not None:
            label = _BY_ID[int(self._label_ids[at])]
            parts = [label.name, parts[-1], f"label id {label.id}", label.category]
        elif known and self._classes.categories:
            parts.append(self._classes.categories[train_id])
        if self._instances is not None and self._instances[at] >= 1000:
            parts.append(f"instance {self._instances[at]}")
        return ", ".join(parts)

    def _connect(self) -> None:
        self._listen(self._choose_split, self.split)
        self._listen(self._choose_group, self.group)
        self._listen(self._load, self.number)
        self._listen(self._draw, self.view, self.opacity)
        self._listen(self._draw, self.switches, names="on")
        self._listen(self._draw, self.switches.palette)
        self._listen(self._point, self.picture, names=["pointer", "clicked"])

    def _choose_split(self) -> None:
        with self._quietly():
            self.group.options = sorted({frame.group for frame in self._frames[self.split.value]})
            self.group.index = 0
            self.group.layout.display = "none" if len(self.group.options) == 1 else None
        self._choose_group()

    def _choose_group(self) -> None:
        self._in_group = [frame for frame in self._frames[self.split.value] if frame.group == self.group.value]
        with self._quietly():
            self.number.value = 0
            self.number.max = len(self._in_group) - 1
        self._load()

    def _load(self) -> None:
        frame = self.frame
        self._train_ids = self._label_ids = self._instances = self._labels = None
        self.status.value = f"<code>{escape(frame.stem)}</code>"
        try:
            self._image = _shrink(read_image(frame), cv2.INTER_AREA)
            if frame.label.is_file():
                self._train_ids = read_label(frame)
                self._labels = _shrink(self._train_ids, cv2.INTER_NEAREST)
                self._label_ids = _read(frame, "labelIds", read_label_ids)
                self._instances = _read(frame, "instanceIds", read_png)
        except CourseError as error:
            self._image = np.zeros((64, 128, 3), np.uint8)
            self._labels = None
            self._show_error(str(error))
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
            self.picture.show(self.switches.classes.colorize(labels), "png")
        else:
            self.picture.show(overlay(self._image, labels, self.switches.classes, self.opacity.value))

    def _point(self) -> None:
        at = self.picture.position
        self.under.value = f"<b>{escape(self.class_at(*at))}</b>" if at else _HINT


_HINT = "Point at the image or click on it to see the class."


def _read(frame: Frame, kind: str, reader: Callable[[Path], np.ndarray]) -> np.ndarray | None:
    path = frame.annotation(kind)
    return reader(path) if path is not None and path.is_file() else None


def _shrink(array: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = array.shape[:2]
    if width <= WIDTH:
        return array
    return cv2.resize(array, (WIDTH, max(1, round(height * WIDTH / width))), interpolation=interpolation)
