"""Checks of the exercises of notebook 05."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.datasets import normalise
from helpers.exercises.checking import Case, Mistake, Result, check, equals


def check_to_network(function: Callable) -> Result:
    """Check `function(frame)`: uint8 RGB (H, W, 3) to the network's input, float32 (1, 3, H, W) from -1 to 1."""
    frame = np.random.default_rng(0).integers(0, 256, (2, 5, 3), dtype=np.uint8)

    def right(frame):
        return (frame / 127.5 - 1).transpose(2, 0, 1)[np.newaxis]

    mistakes = [
        Mistake(
            lambda frame: (frame / 127.5 - 1).reshape(1, 3, *frame.shape[:2]),
            "A reshape keeps the order of the bytes and mixes colours: transpose, so that channels come first.",
        ),
        Mistake(lambda frame: right(frame)[0], "An engine takes a batch: add a first dimension of length 1."),
        Mistake(lambda frame: (right(frame) + 1) / 2, "0 has to become -1: subtract 0.5 and divide by 0.5 as well."),
        Mistake(
            lambda frame: right((frame - 127) / 128 * 127.5 + 127.5),
            "uint8 minus 127 wraps around below 0: convert to float32 before you subtract.",
        ),
        Mistake(lambda frame: right(frame[..., ::-1]), "The channels are in the order of OpenCV, BGR: keep RGB."),
        Mistake(right, "NumPy computes in float64 here: convert with astype, because an engine expects float32."),
    ]
    cases = [
        Case("a frame of 2 x 5 pixels", (frame,), _float32(normalise(frame)[np.newaxis])),
        Case("one white pixel", (np.full((1, 1, 3), 255, np.uint8),), _float32(np.ones((1, 3, 1, 1)))),
    ]
    return check(function, cases, "255 becomes 1 and 0 becomes -1; channels come before height and width.", mistakes)


def _float32(expected: np.ndarray) -> Callable[[Any], str | None]:
    values = equals(expected, tolerance=1e-5)

    def verdict(returned: Any) -> str | None:
        if wrong := values(returned):
            return wrong
        kind = np.asarray(returned).dtype
        return None if kind == np.float32 else f"the result is {kind}, expected float32"

    return verdict


def check_eight_bits(function: Callable) -> Result:
    """Check `function(x, low, high)`: float values to the nearest of 256 values, evenly spaced from low to high."""

    def codes(x, low, high, steps=255):
        return (np.asarray(x) - low) / (high - low) * steps

    def values(code, low, high, steps=255):
        return low + code * (high - low) / steps

    mistakes = [
        Mistake(
            lambda x, low, high: values(np.clip(np.round(codes(x, low, high, 256)), 0, 255), low, high, 256),
            "256 values have 255 gaps between them: otherwise the upper end of the range is never reached.",
        ),
        Mistake(
            lambda x, low, high: values(np.clip(np.floor(codes(x, low, high)), 0, 255), low, high),
            "Cutting off the decimals always rounds down, so errors add up over the layers: round to the nearest code.",
        ),
        Mistake(
            lambda x, low, high: values(np.round(codes(x, low, high)), low, high),
            "A byte ends at 0 and 255: clip values outside the range.",
        ),
        Mistake(
            lambda x, low, high: values(np.round(codes(x, low, high)) % 256, low, high),
            "A byte wraps around, so the largest value becomes a small one: clip before you convert.",
        ),
        Mistake(
            lambda x, low, high: np.clip(np.round(codes(x, low, high)), 0, 255),
            "These are the codes 0 to 255: convert them back to values between low and high.",
        ),
    ]
    cases = [
        Case("both ends of the range -1 to 1", (np.array([-1.0, 1.0]), -1.0, 1.0), equals(np.array([-1.0, 1.0]))),
        Case("0.7 and 3.2 in the range 0 to 255", (np.array([0.7, 3.2]), 0.0, 255.0), equals(np.array([1.0, 3.0]))),
        Case("-5 and 300 in the range 0 to 255", (np.array([-5.0, 300.0]), 0.0, 255.0), equals(np.array([0.0, 255.0]))),
    ]
    return check(
        function, cases, "Which whole number from 0 to 255 is closest? Which value does it stand for?", mistakes
    )
