"""Checks of the exercises of notebook 03."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.exercises.checking import Case, Mistake, Result, check, equals


def check_most_confused(function: Callable) -> Result:
    """Check `function(matrix)`: confusion matrix (C, C) to (true class, predicted class) of the largest confusion."""
    return check(
        function,
        [
            Case(
                "three classes of 10 pixels each",
                (np.array([[8, 2, 0], [1, 9, 0], [0, 4, 6]]),),
                equals(np.array([2, 1])),
                "Return two class ids: the row and the column of the largest share.",
            ),
            Case(
                "a large class with many confused pixels, and a small one with a large share",
                (np.array([[900, 100, 0, 0], [0, 5000, 0, 0], [0, 0, 4, 6], [0, 0, 0, 2]]),),
                equals(np.array([2, 3])),
                "100 of 1000 is a tenth, 6 of 10 is more than half.",
            ),
            Case(
                "a small class whose pixels are predicted as a large one",
                (np.array([[5, 5, 0], [20, 880, 0], [0, 0, 9]]),),
                equals(np.array([0, 1])),
                "5 of the 10 pixels of class 0 are confused, and 20 of the 900 of class 1.",
            ),
            Case(
                "a class without a pixel",
                (np.array([[0, 0, 0], [0, 7, 3], [0, 0, 5]]),),
                equals(np.array([1, 2])),
                "A row of zeros has no shares: 0 / 0 is NaN, and argmax returns NaN as the largest value.",
            ),
        ],
        mistakes=[
            Mistake(
                lambda m: _largest(m / np.maximum(m.sum(axis=1, keepdims=True), 1)),
                "The diagonal holds the right predictions: remove it before you look for the largest share.",
            ),
            Mistake(lambda m: _largest(_confused(m))[::-1], "Rows are the true classes: return the row first."),
            Mistake(
                lambda m: _largest(_confused(m) / np.maximum(m.sum(axis=0), 1)),
                "The share is of the true class: divide by the sum of the row, not of the column.",
            ),
            Mistake(
                lambda m: _largest(_confused(m)),
                "These are counts, and they favour large classes: divide each row by its sum.",
            ),
        ],
    )


def _confused(matrix):
    return matrix - np.diag(np.diag(matrix))


def _largest(values):
    return np.unravel_index(values.argmax(), values.shape)


def check_miou(function: Callable) -> Result:
    """Check `function(matrices)`: confusion matrices of frames, int (F, C, C), to the mIoU of all frames together."""
    return check(
        function,
        [
            Case(
                "one frame with two classes, 3 and 4 pixels right, 1 pixel of class 0 predicted as class 1",
                (np.array([[[3, 1], [0, 4]]]),),
                equals((3 / 4 + 4 / 5) / 2),
                "The union has 4 pixels for class 0 and 5 for class 1.",
            ),
            Case(
                "a frame with 100 pixels of each class, all right, and one with a single pixel of each, both wrong",
                (np.array([[[100, 0], [0, 100]], [[0, 1], [1, 0]]]),),
                equals(100 / 102),
                "Only 2 pixels of 202 are wrong.",
            ),
            Case(
                "a third class that is neither labelled nor predicted",
                (np.array([[[3, 1, 0], [0, 4, 0], [0, 0, 0]]]),),
                equals((3 / 4 + 4 / 5) / 2),
                "Its IoU is 0 / 0: take the mean over the other two classes.",
            ),
            Case(
                "a third class that is predicted for 1 pixel, but labelled nowhere",
                (np.array([[[3, 0, 1], [0, 4, 0], [0, 0, 0]]]),),
                equals((3 / 4 + 1 + 0) / 3),
                "Its IoU is 0 / 1 = 0, and it counts.",
            ),
            Case(
                "frames in which every pixel is ignored",
                (np.zeros((2, 3, 3), dtype=np.int64),),
                equals(np.nan),
                "Without a labelled pixel there is nothing to score: return np.nan.",
            ),
        ],
        mistakes=[
            Mistake(
                lambda m: _mean(_class_iou(m)) if m.any() else 0.0,
                "0 would say that the network failed, but there is nothing to score: return np.nan.",
            ),
            Mistake(
                lambda m: _mean(_ratio(_right(m), m.sum(axis=(0, 1)))),
                "This divides by the predicted pixels only, which is precision: the union is row plus column, with "
                "the diagonal counted once.",
            ),
            Mistake(
                lambda m: _mean(_ratio(_right(m), m.sum(axis=(0, 1)) + m.sum(axis=(0, 2)))),
                "The diagonal is part of the row and of the column: subtract it once from their sum.",
            ),
            Mistake(
                lambda m: np.mean([_mean(_class_iou(each[np.newaxis])) for each in m]),
                "This is the mean of the scores of the frames: add the matrices first, then divide.",
            ),
            Mistake(
                lambda m: np.nan_to_num(_class_iou(m), nan=1).mean(),
                "An absent class counts as 1 here, a perfect score for what was never tested: leave it out.",
            ),
            Mistake(
                lambda m: np.nan_to_num(_class_iou(m), nan=0).mean(),
                "An absent class counts as 0 here, as if the network had failed on it: leave it out.",
            ),
            Mistake(lambda m: _class_iou(m).mean(), "One NaN makes the mean NaN: average over the present classes."),
            Mistake(
                lambda m: _mean(_class_iou(m)[m.sum(axis=(0, 2)) > 0]),
                "This leaves out a class that is wrongly predicted: leave out only classes with an empty union.",
            ),
        ],
    )


def _right(matrices):
    return matrices.sum(axis=0).diagonal()


def _class_iou(matrices):
    return _ratio(_right(matrices), matrices.sum(axis=(0, 1)) + matrices.sum(axis=(0, 2)) - _right(matrices))


def _ratio(part, whole):
    """Divide without a warning for 0 / 0."""
    with np.errstate(invalid="ignore"):
        return part / whole


def _mean(values):
    """Return the mean without NaN, and NaN without a warning if nothing is left."""
    return values[~np.isnan(values)].mean() if not np.isnan(values).all() else np.nan
