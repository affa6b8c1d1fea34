"""Checks of the exercises in notebook 03."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.exercises import Case, Result, check, equals


def check_iou(function: Callable) -> Result:
    """`function(matrix)`: confusion matrix (C, C), rows labels, to the IoU of each class (C,), NaN for 0 / 0."""
    return check(
        function,
        [
            Case(
                "two classes, 3 and 4 pixels right, 1 of class 0 taken for class 1",
                (np.array([[3, 1], [0, 4]]),),
                equals(np.array([3 / 4, 4 / 5])),
                "Rows are labels: what class 0 misses is the rest of row 0, its false claims the rest of column 0.",
            ),
            Case(
                "a prediction that is right nowhere",
                (np.array([[0, 5], [5, 0]]),),
                equals(np.array([0.0, 0.0])),
                "The diagonal lies in both the row and the column: take care to count it once.",
            ),
            Case(
                "a class that is neither labelled nor predicted",
                (np.array([[2, 0], [0, 0]]),),
                equals(np.array([1.0, np.nan])),
                "0 / 0 is not 1 and not 0; np.nanmean leaves NaN out of the mean.",
            ),
        ],
    )
