"""Checks of the exercises of notebook 01."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from helpers.cityscapes import CITYSCAPES, LABELS, id_to_train_id
from helpers.datasets import IGNORE, Classes
from helpers.exercises.checking import Case, Mistake, Result, check, equals

_ROAD, _CAR = CITYSCAPES.index("road"), CITYSCAPES.index("car")


def check_class_share(function: Callable, classes: Classes) -> Result:
    """Check `function(label)`: train ids, uint8 (H, W), to each class's share of the labelled pixels, float (C,)."""
    count, first, last = len(classes), 0, len(classes) - 1
    one, other = classes.names[first], classes.names[last]

    def shares(share: float) -> np.ndarray:
        return np.array([share, *[0.0] * (count - 2), 1 - share])

    def counts(label: np.ndarray) -> np.ndarray:
        return np.bincount(label[label != IGNORE], minlength=count)

    def without_minlength(label: np.ndarray) -> np.ndarray:
        found = np.bincount(label[label != IGNORE])
        return found / max(1, found.sum())

    def zero_by_zero(label: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return counts(label) / counts(label).sum()

    with_ignored = "Pixels with the value 255 belong to no class: exclude them from the sum, too."
    return check(
        function,
        [
            Case(
                f"a map with 3 pixels of {one} and 1 of {other}",
                (np.uint8([[first, first], [first, last]]),),
                equals(shares(0.75)),
                f"np.bincount(..., minlength={count}) counts each value of a flat array.",
            ),
            Case(f"a map with only {one}", (np.uint8([[first, first]]),), equals(shares(1.0))),
            Case(
                f"a map with 1 pixel of {one}, 1 of {other} and 2 ignored ones",
                (np.uint8([[first, IGNORE], [IGNORE, last]]),),
                equals(shares(0.5)),
                with_ignored,
            ),
            Case(
                "a map in which every pixel is ignored",
                (np.full((2, 3), IGNORE, np.uint8),),
                equals(np.zeros(count)),
                "Without labelled pixels, return zeros.",
            ),
        ],
        mistakes=[
            Mistake(
                without_minlength,
                "np.bincount ends at the largest value that occurs, so the length depends on the frame: see minlength.",
            ),
            Mistake(lambda label: counts(label) / label.size, with_ignored),
            Mistake(
                lambda label: np.bincount(label.ravel(), minlength=count) / label.size,
                "The value 255 makes np.bincount return 256 counts: leave ignored pixels out before you count.",
            ),
            Mistake(zero_by_zero, "0 / 0 is nan, and the mean over frames with one nan is nan: return zeros."),
        ],
    )


def _with_license_plate(label_ids: np.ndarray) -> np.ndarray:
    table = np.full(34, IGNORE)
    for label in LABELS:
        table[label.id] = label.trainId
    return table[label_ids]


def _onto_zeros(label_ids: np.ndarray) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    for label in LABELS:
        if 0 <= label.trainId < IGNORE:
            table[label.id] = label.trainId
    return table[label_ids]


def _in_place(label_ids: np.ndarray) -> np.ndarray:
    for label in reversed(LABELS):  # bicycle 33 becomes 18, then polegroup 18 becomes 255
        if label.id >= 0:
            label_ids[label_ids == label.id] = label.trainId
    return label_ids


def check_to_train_ids(function: Callable) -> Result:
    """Check `function(label_ids)`: label ids 0 to 33, uint8 (H, W), to train ids 0 to 18 and 255, uint8 (H, W)."""
    every = np.arange(34, dtype=np.uint8).reshape(2, 17)
    plate = "The license plate has the id -1, and table[-1] is the last entry, the bicycle's: skip negative ids."
    return check(
        function,
        [
            Case(
                "road (7), car (26) and bicycle (33)",
                (np.uint8([[7, 26, 33]]),),
                equals(np.int64([[_ROAD, _CAR, CITYSCAPES.index("bicycle")]])),
                "Each label in cityscapes.LABELS has an id and a trainId.",
            ),
            Case(
                "ego vehicle (1) and parking (9), which are not evaluated",
                (np.uint8([[1, 9]]),),
                equals(np.int64([[IGNORE, IGNORE]])),
                "Labels without a train id from 0 to 18 become 255.",
            ),
            Case("all 34 ids", (every,), equals(id_to_train_id()[every].astype(np.int64))),
        ],
        mistakes=[
            Mistake(_with_license_plate, plate),
            Mistake(lambda label_ids: _with_license_plate(label_ids).astype(np.uint8), plate),
            Mistake(_onto_zeros, "0 is the train id of road: start with a table of 255, so that the rest is ignored."),
            Mistake(_in_place, "Do not write into the array that you read from: some ids are mapped twice."),
            Mistake(
                lambda label_ids: label_ids - np.uint8(7),
                "The evaluated classes are not consecutive: parking (9) and rail track (10), say, lie between them.",
            ),
        ],
    )


def check_resize_label(function: Callable) -> Result:
    """Check `function(label, height, width)`: train ids, uint8 (H, W), resized to (height, width)."""
    street = np.full((4, 8), _ROAD, np.uint8)
    street[1:3, 2:6] = _CAR
    return check(
        function,
        [
            Case("4 x 8 pixels resized to 8 x 16", (street, 8, 16), _enlarged(street)),
            Case("4 x 8 resized to 2 x 4", (street, 2, 4), _shrunk(street, (2, 4))),
            Case("4 x 8 resized to 6 x 11", (street, 6, 11), _shrunk(street, (6, 11))),
        ],
        "The result has `height` rows and `width` columns, each a copy of a pixel of the label.",
        mistakes=[
            Mistake(
                lambda label, height, width: cv2.resize(label, (height, width), interpolation=cv2.INTER_NEAREST),
                "cv2.resize takes (width, height), the reverse of an array's shape.",
            ),
            Mistake(
                lambda label, height, width: cv2.resize(label, (height, width)),
                "cv2.resize takes (width, height), and it averages unless you pass an interpolation.",
            ),
            Mistake(
                lambda label, height, width: cv2.resize(label, (width, height)),
                "cv2.resize averages unless you pass interpolation=..., by name: the third argument is another one.",
            ),
            Mistake(
                lambda label, height, width: cv2.resize(label, (width, height), interpolation=cv2.INTER_CUBIC),
                "Cubic interpolation is for images, too: choose the one that copies the nearest pixel.",
            ),
        ],
    )


def _enlarged(label: np.ndarray) -> Callable[[Any], str | None]:
    return lambda returned: _shrunk(label, (8, 16))(returned) or equals(label.repeat(2, 0).repeat(2, 1))(returned)


def _shrunk(label: np.ndarray, size_hw: tuple[int, int]) -> Callable[[Any], str | None]:
    """Expect the size and the classes of the label; either of two neighbouring pixels is accepted."""

    def verdict(returned: Any) -> str | None:
        got = np.asarray(returned)
        if got.shape != size_hw:
            return f"the result has shape {got.shape}, expected {size_hw}"
        new = np.setdiff1d(got, label)
        if new.size:
            value = new[0].item()
            name = CITYSCAPES.names[int(value)] if 0 <= value < len(CITYSCAPES) else "not a class"
            return (
                f"the result contains {value:g} ({name}), but the label only road and car: the average of two class "
                "ids is another class id"
            )
        if set(np.unique(got)) != set(np.unique(label)):
            return "road or car is missing"
        return None

    return verdict
