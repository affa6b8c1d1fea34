"""Checks of the exercises of notebook 01."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.cityscapes import CITYSCAPES, id_to_train_id
from helpers.datasets import IGNORE, Classes
from helpers.exercises.checking import Case, Result, check, equals

_ROAD, _CAR = CITYSCAPES.index("road"), CITYSCAPES.index("car")


def check_class_share(function: Callable, classes: Classes) -> Result:
    """Check `function(label)`: train ids, uint8 (H, W), to each class's share of the labelled pixels, float (C,)."""
    count, first, last = len(classes), 0, len(classes) - 1
    one, other = classes.names[first], classes.names[last]

    def shares(share: float) -> np.ndarray:
        return np.array([share, *[0.0] * (count - 2), 1 - share])

    return check(
        function,
        [
            Case(
                f"a map with 3 pixels of {one} and 1 of {other}",
                (np.uint8([[first, first], [first, last]]),),
                equals(shares(0.75)),
                f"np.bincount(..., minlength={count}) counts each value of a flat array.",
            ),
            Case(
                f"a map with only {one}",
                (np.uint8([[first, first]]),),
                equals(shares(1.0)),
                f"The result has {count} values for every map: see minlength of np.bincount.",
            ),
            Case(
                f"a map with 1 pixel of {one}, 1 of {other} and 2 ignored ones",
                (np.uint8([[first, IGNORE], [IGNORE, last]]),),
                equals(shares(0.5)),
                "Pixels with the value 255 belong to no class: exclude them from the sum, too.",
            ),
            Case(
                "a map in which every pixel is ignored",
                (np.full((2, 3), IGNORE, np.uint8),),
                equals(np.zeros(count)),
                "Without labelled pixels, return zeros; do not divide by zero.",
            ),
        ],
    )


def check_to_train_ids(function: Callable) -> Result:
    """Check `function(label_ids)`: label ids 0 to 33, uint8 (H, W), to train ids 0 to 18 and 255, uint8 (H, W)."""
    every = np.arange(34, dtype=np.uint8).reshape(2, 17)
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
            Case(
                "all 34 ids",
                (every,),
                equals(id_to_train_id()[every].astype(np.int64)),
                "Do not write into the array that you read from: some ids would be mapped twice.",
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
            Case(
                "4 x 8 pixels resized to 8 x 16",
                (street, 8, 16),
                _enlarged(street),
                "cv2.resize takes (width, height).",
            ),
            Case("4 x 8 resized to 2 x 4", (street, 2, 4), _shrunk(street, (2, 4))),
            Case("4 x 8 resized to 6 x 11", (street, 6, 11), _shrunk(street, (6, 11))),
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
