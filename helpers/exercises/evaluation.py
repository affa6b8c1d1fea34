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


def check_kappa(function: Callable) -> Result:
    """`function(matrix)`: confusion matrix (C, C), rows labels, to Cohen's kappa."""
    return check(
        function,
        [
            Case("a prediction that is right everywhere", (np.diag([3, 5]),), equals(1.0), "Acc is 1: what is left?"),
            Case(
                "two classes, 20 and 15 of 25 pixels each right",
                (np.array([[20, 5], [10, 15]]),),
                equals(0.4),
                "Acc is 0.7. Chance: 25/50 * 30/50 for class 0 plus 25/50 * 20/50 for class 1.",
            ),
            Case(
                "a network that says class 0 everywhere, which 90 of 100 pixels are",
                (np.array([[90, 0], [10, 0]]),),
                equals(0.0),
                "Acc is 0.9, and so is chance: row sums are true shares, column sums said ones.",
            ),
        ],
    )


def check_most_confused(function: Callable) -> Result:
    """`function(matrix)`: confusion matrix (C, C) to (true class, said class), the largest share off the diagonal."""
    return check(
        function,
        [
            Case(
                "three classes of 10 pixels each",
                (np.array([[8, 2, 0], [1, 9, 0], [0, 4, 6]]),),
                equals(np.array([2, 1])),
                "The diagonal is what is right: take it away before you look for the largest.",
            ),
            Case(
                "a large class with many confused pixels, and a small one with a large share",
                (np.array([[900, 100, 0], [0, 50, 0], [6, 0, 4]]),),
                equals(np.array([2, 0])),
                "100 of 1000 is a tenth, 6 of 10 are more than half: divide each row by its sum.",
            ),
            Case(
                "a class without a pixel",
                (np.array([[0, 0, 0], [0, 7, 3], [0, 0, 5]]),),
                equals(np.array([1, 2])),
                "A row of zeros has no share; 0 / 0 is NaN, and argmax takes NaN for the largest.",
            ),
        ],
    )
