"""The checks of notebook 03 answer each likely mistake with its hint."""

import numpy as np

from helpers import evaluation
from helpers.exercises.evaluation import check_iou, check_kappa, check_most_confused


def test_scores_of_the_course_pass():
    assert check_iou(lambda matrix: evaluation.scores(matrix).class_iou).solved
    assert check_kappa(lambda matrix: evaluation.scores(matrix).kappa).solved


def most_confused(matrix):
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    return np.unravel_index(share.argmax(), share.shape)


def test_solution_of_most_confused_passes():
    assert check_most_confused(most_confused).solved


def test_mistakes_in_kappa_and_most_confused():
    acc = check_kappa(lambda matrix: np.trace(matrix) / matrix.sum())
    assert not acc.solved and "0.7" in acc.message
    by_count = check_most_confused(lambda m: np.unravel_index((m - np.diag(np.diag(m))).argmax(), m.shape))
    assert "divide each row" in by_count.message
    with_diagonal = check_most_confused(lambda m: np.unravel_index(m.argmax(), m.shape))
    assert "diagonal" in with_diagonal.message
    with np.errstate(invalid="ignore"):
        nan = check_most_confused(
            lambda m: np.unravel_index(((m - np.diag(np.diag(m))) / m.sum(axis=1, keepdims=True)).argmax(), m.shape)
        )
    assert "NaN" in nan.message


def test_mistakes_in_iou_get_their_hint():
    def columns_only(matrix):
        return np.diag(matrix) / matrix.sum(axis=0)

    def counted_twice(matrix):
        with np.errstate(invalid="ignore"):
            return np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))

    def absent_is_one(matrix):
        union = matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
        return np.where(union == 0, 1.0, np.diag(matrix) / np.maximum(union, 1))

    assert "row 0" in check_iou(columns_only).message
    assert not check_iou(counted_twice).solved
    assert "0 / 0" in check_iou(absent_is_one).message
