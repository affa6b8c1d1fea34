"""Compare two networks on a frame or an uploaded picture, with a wipe between their predictions."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from html import escape

import cv2
import ipywidgets as widgets
import numpy as np

from helpers import models
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, Classes, Frame, read_image, read_label
from helpers.datasets.pictures import SUFFIXES, read_picture
from helpers.evaluation.opening import PredictFn, Source, open_network
from helpers.evaluation.scores import confusion_matrix, scores
from helpers.models.networks import without_initialisation
from helpers.plotting.base import overlay
from helpers.widgets.class_switches import ClassSwitches
from helpers.widgets.demo import Demo
from helpers.widgets.picture import Picture, pixel_at

WIDTH = 1024  # pixels, largest width sent to the browser; small frames are enlarged by an integer factor
LARGEST = 1024 * 2048  # pixels; larger uploads are shrunk, so that the demo answers in seconds
LABEL = "label"  # offered next to the networks if the frame has a label
KEPT = 64  # predictions, the latest ones
PATIENT = 0.6  # seconds; slower networks do not predict ahead, since a control that moves meanwhile has to wait


class PredictionDemo(Demo):
    """Show predictions of `networks` for `frames` and uploaded pictures.

    `networks` maps titles to names in weights/ or to what `evaluation.open_network` takes. Each is opened when it is
    first shown. They predict `classes`, by default those of the frames; with others, the label is not shown.

    Controls: `number` (index of the frame), `upload`, `left` and `right` (a network or the label), `wipe` (share of the
    width that shows `left`), `opacity`, `switches` (ClassSwitches). Outputs: `picture`, `status` (name, seconds, or the
    error of an upload), `under` (classes at the pointer). Each network predicts a picture once, when it is first shown.
    While nothing moves and a browser shows the demo, fast networks predict the other frames ahead. A new demo shows the
    prediction of `right`, and that of `left` as soon as its network is open. Raises CourseError without network or
    frame.
    """

    def __init__(self, networks: Mapping[str, Source], frames: Sequence[Frame], classes: Classes | None = None):
        if not networks or not frames:
            raise CourseError(f"Expected at least one network and one frame, got {len(networks)} and {len(frames)}.")
        if LABEL in networks:
            raise CourseError(f"The network name {LABEL!r} names the label in this demo: rename the network.")
        self._networks, self._frames = dict(networks), list(frames)
        self._opened: dict[str, PredictFn] = {}
        own = frames[0].dataset.classes
        self._classes = classes or own
        self._labelled = self._classes.names == own.names
        self._predicted: OrderedDict[tuple[str, str], tuple[np.ndarray, float]] = OrderedDict()  # (picture, network)
        self._first: set[tuple[str, str]] = set()  # each network's first prediction, which also prepares it
        names = list(networks)
        self.number = widgets.IntSlider(0, min=0, max=len(frames) - 1, description="frame", continuous_update=False)
        self.upload = widgets.FileUpload(
            accept=",".join(("image/*", *SUFFIXES)),
            multiple=False,
            description="your own picture",
            layout=widgets.Layout(width="14em"),
        )
        self.left = widgets.Dropdown(options=names, value=names[0], description="left")
        self.right = widgets.Dropdown(options=names, value=names[-1], description="right")
        self.wipe = widgets.FloatSlider(
            0.5, min=0, max=1, step=0.01, description="wipe", layout=widgets.Layout(width="30em")
        )
        self.opacity = widgets.FloatSlider(0.6, min=0, max=1, step=0.05, description="opacity")
        self.switches = ClassSwitches(self._classes)
        self.picture = Picture(alt="predictions over the picture")
        self.status = widgets.HTML()
        self.under = widgets.HTML(_HINT)
        self._connect()
        self._choose_frame(names[-1])
        super().__init__(
            [
                widgets.HBox([self.number, self.upload]),
                widgets.HBox([self.left, self.right]),
                widgets.HBox([self.wipe, self.opacity]),
                self.status,
                self.picture,
                self.under,
                self.switches,
            ]
        )
        self.busy.observe(lambda _: self._predict_ahead(), "shown")
        if self._predicted and len(names) > 1:
            self._request_later(self._show)

    def network(self, name: str) -> PredictFn:
        """Return the network of this title as a prediction function."""
        if name not in self._opened:
            source = self._networks[name]
            shipped = isinstance(source, str) and source in models.cards()
            with without_initialisation(zeros=True):  # they take most of the time to open U-HRNet
                self._opened[name] = open_network(models.load_shipped(source) if shipped else source)
        return self._opened[name]

    def at(self, x: float, y: float) -> dict[str, str]:
        """Return the classes at (x, y), fractions of width and height: {network or label: class name}."""
        row, column = pixel_at(x, y, self._image.shape[:2])
        shown = dict.fromkeys((*self._sides(), *([LABEL] if self._truth is not None else [])))
        ids = {name: int(self._labels_of(name)[row, column]) for name in shown}
        names = self._classes.names
        return {name: names[each] if each < len(names) else "not evaluated" for name, each in ids.items()}

    def _sides(self) -> tuple[str, str]:
        return self.left.value, self.right.value

    def _connect(self) -> None:
        self._listen(self._choose_frame, self.number)
        self._listen(self._take_upload, self.upload)
        self._listen(self._show, self.left, self.right)
        self._listen(self._draw, self.wipe, self.opacity)
        self._listen(self._draw, self.switches, names="on")
        self._listen(self._draw, self.switches.palette)
        self._listen(self._point, self.picture, names=["pointer", "clicked"])

    def _choose_frame(self, *names: str) -> None:
        frame = self._frames[self.number.value]
        try:
            truth = read_label(frame) if self._labelled and frame.label.is_file() else None
            self._take(frame.stem, read_image(frame), truth)
        except CourseError as error:
            self._show_error(str(error))
            return
        self._show(*names)

    def _take_upload(self) -> None:
        if not self.upload.value:
            return
        file = self.upload.value[0]
        try:
            image = read_picture(bytes(file["content"]), file["name"])
        except CourseError as error:
            self._show_error(str(error))
            return
        finally:
            with self._quietly():
                self.upload.value = ()  # allow choosing the same file again
        height, width = image.shape[:2]
        name = f"{file['name']}, {width} x {height}"
        scale = (LARGEST / (height * width)) ** 0.5
        if scale < 1:
            size = max(1, int(width * scale)), max(1, int(height * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            name += f", shrunk to {size[0]} x {size[1]}"
        for key in [key for key in self._predicted if key[0] == name]:
            del self._predicted[key]  # another file of that name
        self._take(name, image, None)
        self._show()

    def _take(self, name: str, image: np.ndarray, truth: np.ndarray | None) -> None:
        """Keep this image; `truth` holds its train ids, if known."""
        self._name, self._image, self._truth = name, image, truth
        names = list(self._networks)
        with self._quietly():
            for control, otherwise in ((self.left, names[0]), (self.right, names[-1])):
                chosen = control.value
                control.options = names if truth is None else [*names, LABEL]
                control.value = chosen if chosen in control.options else otherwise
            self.picture.clicked = []

    def _show(self, *names: str) -> None:
        """Make missing predictions, then draw; `names`: the networks that predict, by default those of both sides."""
        names = names or self._sides()
        try:
            for name in names:
                self._labels_of(name)
        except CourseError as error:
            self._show_error(str(error))
            return
        shown = [name for name in dict.fromkeys(names) if name != LABEL]
        results = " · ".join(map(self._result, shown))
        height, width = self._image.shape[:2]
        self.status.value = f"<code>{escape(self._name)}</code> {results} for {width} x {height} pixels"
        self._draw()
        self._point()

    def _result(self, name: str) -> str:
        """Time of a network for this image, and its mIoU if the label is known."""
        labels, seconds = self._predicted[self._name, name]
        first = " with preparation" if (self._name, name) in self._first else ""
        text = f"{escape(name)} {seconds:.2f} s{first}"
        if self._truth is None:
            return text
        matrix = confusion_matrix(labels, self._truth, len(self._classes))
        return f"{text}, mIoU {scores(matrix).miou:.2f} on this frame"

    def _labels_of(self, name: str) -> np.ndarray:
        if name == LABEL:
            return self._truth
        key = self._name, name
        if key not in self._predicted:
            self.status.value = f"{escape(name)} is predicting …"
            self._predict(key, self._image)
        self._predicted.move_to_end(key)
        return self._predicted[key][0]

    def _known(self, name: str) -> np.ndarray:
        """Labels to draw: none where a network failed on this image or is not open yet; the status names it."""
        if name == LABEL or (self._name, name) in self._predicted:
            return self._labels_of(name)
        return np.full(self._image.shape[:2], IGNORE, np.uint8)

    def _predict(self, key: tuple[str, str], image: np.ndarray) -> None:
        if not any(network == key[1] for _, network in self._first):
            self._first.add(key)
        network = self.network(key[1])
        started = time.perf_counter()
        labels = network(image)
        self._predicted[key] = labels, time.perf_counter() - started
        while len(self._predicted) > KEPT:
            self._predicted.popitem(last=False)

    def _predict_ahead(self) -> None:
        """Predict the next picture that may be chosen, and go on while nothing else is to do."""
        if not self._pending:
            try:
                number, network = next(self._ahead())
                frame = self._frames[number]
                self._predict((frame.stem, network), read_image(frame))
            except (StopIteration, CourseError):
                return
        asyncio.get_running_loop().call_later(0.05, self._predict_ahead)

    def _ahead(self) -> Iterator[tuple[int, str]]:
        """What is not predicted yet: the chosen networks first, on the frames that follow, then the others."""
        names = [*(name for name in self._sides() if name != LABEL), *self._networks]
        slow = {network for (_, network), (_, seconds) in self._predicted.items() if seconds > PATIENT}
        numbers = (np.arange(len(self._frames)) + self.number.value) % len(self._frames)
        for name in dict.fromkeys(names):
            for number in numbers[: KEPT // (2 * len(self._networks))]:
                if name not in slow and (self._frames[number].stem, name) not in self._predicted:
                    yield int(number), name

    def _draw(self) -> None:
        image = _fit(self._image, cv2.INTER_AREA)
        left, right = (_fit(self._known(name), cv2.INTER_NEAREST) for name in self._sides())
        cut = round(self.wipe.value * image.shape[1])
        labels = self.switches.keep(np.concatenate([left[:, :cut], right[:, cut:]], axis=1))
        both = overlay(image, labels, self.switches.classes, self.opacity.value)
        if 0 < cut < image.shape[1]:
            both[:, max(0, cut - 1) : cut + 1] = 255
        self.picture.show(both)

    def _point(self) -> None:
        at = self.picture.position
        classes = self.at(*at) if at else {}
        parts = [f"{escape(name)}: <b>{escape(class_name)}</b>" for name, class_name in classes.items()]
        self.under.value = " · ".join(parts) or _HINT


_HINT = "Point at the image or click on it to see the classes."


def _fit(array: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = array.shape[:2]
    if width <= WIDTH:
        factor = max(1, min(WIDTH // width, WIDTH // height))
        return array.repeat(factor, axis=0).repeat(factor, axis=1)
    return cv2.resize(array, (WIDTH, max(1, round(height * WIDTH / width))), interpolation=interpolation)
