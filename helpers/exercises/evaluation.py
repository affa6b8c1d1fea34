"""Checks of the exercises of notebook 03."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.exercises.checking import Case, Result, check, equals


def check_iou(function: Callable) -> Result:
    """Check `function(matrix)`: confusion matrix (C, C), rows are labels, to IoU per class (C,), NaN for 0 / 0."""
    return check(
        function,
        [
            Case(
                "two classes, 3 and 4 pixels right, 1 pixel of class 0 predicted as class 1",
                (np.array([[3, 1], [0, 4]]),),
                equals(np.array([3 / 4, 4 / 5])),
                "Rows are labels: the rest of row 0 is missed by class 0, the rest of column 0 is falsely predicted.",
            ),
            Case(
                "a prediction without a right pixel",
                (np.array([[0, 5], [5, 0]]),),
                equals(np.array([0.0, 0.0])),
                "The diagonal is part of both the row and the column: count it once.",
            ),
            Case(
                "a class that is neither labelled nor predicted",
                (np.array([[2, 0], [0, 0]]),),
                equals(np.array([1.0, np.nan])),
                "0 / 0 is neither 1 nor 0: return NaN, which np.nanmean leaves out.",
            ),
        ],
    )


def check_kappa(function: Callable) -> Result:
    """Check `function(matrix)`: confusion matrix (C, C), rows are labels, to Cohen's kappa."""
    return check(
        function,
        [
            Case("a perfect prediction", (np.diag([3, 5]),), equals(1.0), "Acc is 1, and so is kappa."),
            Case(
                "two classes, 20 and 15 of 25 pixels each right",
                (np.array([[20, 5], [10, 15]]),),
                equals(0.4),
                "Acc is 0.7. Random agreement is 25/50 * 30/50 for class 0 plus 25/50 * 20/50 for class 1.",
            ),
            Case(
                "a network that predicts class 0 everywhere, where 90 of 100 pixels are class 0",
                (np.array([[90, 0], [10, 0]]),),
                equals(0.0),
                "Acc is 0.9, and so is random agreement: row sums count labels, column sums predictions.",
            ),
        ],
    )


def check_most_confused(function: Callable) -> Result:
    """Check `function(matrix)`: confusion matrix (C, C) to (true class, predicted class) of the largest confusion."""
    return check(
        function,
        [
            Case(
                "three classes of 10 pixels each",
                (np.array([[8, 2, 0], [1, 9, 0], [0, 4, 6]]),),
                equals(np.array([2, 1])),
                "The diagonal holds the right predictions: remove it before you look for the largest value.",
            ),
            Case(
                "a large class with many confused pixels, and a small one with a large share",
                (np.array([[900, 100, 0], [0, 50, 0], [6, 0, 4]]),),
                equals(np.array([2, 0])),
                "100 of 1000 is a tenth, 6 of 10 is more than half: divide each row by its sum.",
            ),
            Case(
                "a class without a pixel",
                (np.array([[0, 0, 0], [0, 7, 3], [0, 0, 5]]),),
                equals(np.array([1, 2])),
                "A row of zeros has no shares: 0 / 0 is NaN, and argmax returns NaN as the largest value.",
            ),
        ],
    )
