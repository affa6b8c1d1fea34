"""Checks of the exercises of notebook 05."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.datasets import normalise
from helpers.exercises.checking import Case, Result, check, equals


def check_to_network(function: Callable) -> Result:
    """Check `function(frame)`: uint8 RGB (H, W, 3) to the network's input, float32 (1, 3, H, W) from -1 to 1."""
    frame = np.random.default_rng(0).integers(0, 256, (2, 5, 3), dtype=np.uint8)
    scale = "255 becomes 1 and 0 becomes -1: divide by 255, subtract 0.5, divide by 0.5."
    return check(
        function,
        [
            Case("one white pixel", (np.full((1, 1, 3), 255, np.uint8),), equals(np.ones((1, 3, 1, 1))), scale),
            Case("one black pixel", (np.zeros((1, 1, 3), np.uint8),), equals(-np.ones((1, 3, 1, 1))), scale),
            Case(
                "a frame of 2 x 5 pixels",
                (frame,),
                equals(normalise(frame)[np.newaxis], tolerance=1e-5),
                "Channels precede height and width: transpose, do not reshape.",
            ),
        ],
    )


def check_floor(function: Callable) -> Result:
    """Check `function(gmacs, gflops_per_s)`: the least time for that many multiply-accumulates, in milliseconds."""
    return check(
        function,
        [
            Case("1 GMAC at 100 GFLOP/s", (1.0, 100.0), equals(20.0)),
            Case("no work", (0.0, 100.0), equals(0.0)),
            Case("Fast-SCNN, 7.25 GMAC, at 290 GFLOP/s", (7.25, 290.0), equals(50.0)),
        ],
        hint="A multiply-accumulate is two operations, and a second has 1000 milliseconds.",
    )


def check_agreement(function: Callable) -> Result:
    """Check `function(labels, reference)`: two integer arrays (H, W) to the share of equal pixels, 0 to 1."""
    labels = np.uint8([[1, 2], [3, 4]])
    return check(
        function,
        [
            Case("equal labels", (labels, labels), equals(1.0)),
            Case("labels that differ in one pixel of four", (labels, np.uint8([[1, 2], [3, 5]])), equals(0.75)),
            Case("labels that differ everywhere", (labels, labels[::-1]), equals(0.0)),
        ],
    )
