"""The checks of notebook 03 accept right answers and name the mistake of wrong ones.

`tests/notebooks/test_exercises.py` runs the mistakes that the checks know; here are other ways to write them.
"""

import numpy as np
import pytest

from helpers import evaluation
from helpers.exercises.evaluation import check_miou, check_most_confused

pytestmark = pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")


def test_most_confused():
    def right(matrix):
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        np.fill_diagonal(share, 0)
        return np.unravel_index(share.argmax(), share.shape)

    def with_diagonal(matrix):
        share = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
        return divmod(int(share.argmax()), len(matrix))

    def swapped(matrix):
        return right(matrix)[::-1]

    def counts(matrix):
        return divmod(int((matrix - np.diag(np.diag(matrix))).argmax()), len(matrix))

    def by_column(matrix):
        return right(matrix.T)[::-1]

    def nan(matrix):
        share = matrix / matrix.sum(axis=1, keepdims=True)
        np.fill_diagonal(share, 0)
        return divmod(int(share.argmax()), len(matrix))

    assert check_most_confused(right).solved
    hints = {with_diagonal: "remove it", swapped: "Rows are", counts: "counts", by_column: "column", nan: "0 / 0"}
    for wrong, hint in hints.items():
        assert hint in check_most_confused(wrong).message, hint


def test_miou():
    def right(matrices):
        return evaluation.scores(matrices.sum(axis=0)).miou

    def class_iou(matrices):
        return evaluation.scores(matrices.sum(axis=0)).class_iou

    def of_frames(matrices):
        return np.nanmean([evaluation.scores(matrix).miou for matrix in matrices])

    def precision(matrices):
        return np.nanmean(evaluation.scores(matrices.sum(axis=0)).class_precision)

    def half_of_dice(matrices):
        return np.nanmean(evaluation.scores(matrices.sum(axis=0)).class_dice) / 2

    def only_labelled(matrices):
        return class_iou(matrices)[matrices.sum(axis=(0, 2)) > 0].mean()

    def zero_without_labels(matrices):
        return right(matrices) if matrices.any() else 0.0

    assert check_miou(right).solved
    hints = {
        of_frames: "scores of the frames",
        precision: "precision",
        half_of_dice: "subtract it once",
        lambda matrices: np.nan_to_num(class_iou(matrices), nan=1).mean(): "as 1",
        lambda matrices: np.nan_to_num(class_iou(matrices), nan=0).mean(): "as 0",
        lambda matrices: class_iou(matrices).mean(): "One NaN",
        only_labelled: "empty union",
        zero_without_labels: "nothing to score",
        lambda matrices: right(matrices) if matrices.any() else 1 / 0: "nothing to score",
    }
    for wrong, hint in hints.items():
        assert hint in check_miou(wrong).message, hint
