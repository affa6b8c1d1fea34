"""Checks of the exercises in notebook 01."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.cityscapes import CLASSES, IGNORE, NUM_CLASSES, id_to_train_id
from helpers.exercises import Case, Result, check, equals

_ROAD, _SIGN, _CAR = (CLASSES.index(name) for name in ("road", "traffic sign", "car"))


def check_class_share(function: Callable) -> Result:
    """`function(label)`: uint8 (H, W) train ids to float (19,), the share of each class among the labelled pixels."""

    def shares(**given: float) -> np.ndarray:
        return np.array([given.get(name, 0.0) for name in CLASSES])

    return check(
        function,
        [
            Case(
                "a map with 3 pixels of road and 1 of car",
                (np.uint8([[_ROAD, _ROAD], [_ROAD, _CAR]]),),
                equals(shares(road=0.75, car=0.25)),
                "np.bincount(..., minlength=19) counts each value of a flat array.",
            ),
            Case(
                "a map with 1 pixel of road, 1 of car and 2 ignored ones",
                (np.uint8([[_ROAD, IGNORE], [IGNORE, _CAR]]),),
                equals(shares(road=0.5, car=0.5)),
                "Pixels with the value 255 belong to no class: leave them out of the sum as well.",
            ),
            Case(
                "a map in which every pixel is ignored",
                (np.full((2, 3), IGNORE, np.uint8),),
                equals(np.zeros(NUM_CLASSES)),
                "There is nothing to share out then: return zeros, and do not divide by zero.",
            ),
        ],
    )


def check_to_train_ids(function: Callable) -> Result:
    """`function(label_ids)`: uint8 (H, W) label ids 0 to 33 to uint8 (H, W) train ids 0 to 18 and 255."""
    every = np.arange(34, dtype=np.uint8).reshape(2, 17)
    return check(
        function,
        [
            Case(
                "road (7), car (26) and bicycle (33)",
                (np.uint8([[7, 26, 33]]),),
                equals(np.int64([[_ROAD, _CAR, NUM_CLASSES - 1]])),
                "Each label in cityscapes.LABELS has an id and a trainId.",
            ),
            Case(
                "ego vehicle (1) and parking (9), which are not evaluated",
                (np.uint8([[1, 9]]),),
                equals(np.int64([[IGNORE, IGNORE]])),
                "What has no train id from 0 to 18 becomes 255.",
            ),
            Case(
                "all 34 ids",
                (every,),
                equals(id_to_train_id()[every].astype(np.int64)),
                "Mind the order: writing into the array that you still read from changes ids twice.",
            ),
        ],
    )


def check_resize_label(function: Callable) -> Result:
    """`function(label, height, width)`: uint8 (H, W) train ids to the same classes at (height, width)."""
    street = np.full((4, 8), _ROAD, np.uint8)
    street[1:3, 2:6] = _CAR
    return check(
        function,
        [
            Case("4 x 8 pixels made 8 x 16", (street, 8, 16), _enlarged(street), "cv2.resize takes (width, height)."),
            Case("4 x 8 pixels made 2 x 4", (street, 2, 4), _shrunk(street, (2, 4))),
            Case("4 x 8 pixels made 6 x 11", (street, 6, 11), _shrunk(street, (6, 11))),
        ],
    )


def _enlarged(label: np.ndarray) -> Callable[[Any], str | None]:
    return lambda returned: _shrunk(label, (8, 16))(returned) or equals(label.repeat(2, 0).repeat(2, 1))(returned)


def _shrunk(label: np.ndarray, size_hw: tuple[int, int]) -> Callable[[Any], str | None]:
    """The right size, and no class that the label does not have; which of two neighbours wins is free."""

    def verdict(returned: Any) -> str | None:
        got = np.asarray(returned)
        if got.shape != size_hw:
            return f"the result has shape {got.shape}, expected {size_hw}"
        new = np.setdiff1d(got, label)
        if new.size:
            value = new[0].item()
            name = CLASSES[int(value)] if 0 <= value < NUM_CLASSES else "no class"
            return (
                f"the value {value:g} appears, {name}, though there are only road and car: an average of class "
                "numbers is the number of another class"
            )
        if set(np.unique(got)) != set(np.unique(label)):
            return "road or car has gone"
        return None

    return verdict
