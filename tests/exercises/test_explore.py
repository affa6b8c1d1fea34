"""The checks of notebook 01 name typical mistakes and never raise."""

import cv2
import numpy as np
import pytest

from helpers import cityscapes
from helpers.datasets import Classes
from helpers.exercises.explore import check_class_share, check_resize_label, check_to_train_ids


def share_with_ignored(label):
    return np.bincount(label.ravel(), minlength=256)[:19] / label.size


def share_that_divides_by_zero(label):
    counts = np.bincount(label[label != 255], minlength=19)
    with np.errstate(invalid="ignore"):
        return counts / counts.sum()


def ids_in_place(label_ids):
    for label in reversed(cityscapes.LABELS):  # bicycle 33 becomes 18, then polegroup 18 becomes 255
        if label.id >= 0:
            label_ids[label_ids == label.id] = label.trainId
    return label_ids


def bilinear(label, height, width):
    return cv2.resize(label, (width, height), interpolation=cv2.INTER_LINEAR)


def check_share_of_cityscapes(function):
    return check_class_share(function, cityscapes.CITYSCAPES)


@pytest.mark.parametrize(
    "examine, function, words",
    [
        (check_share_of_cityscapes, lambda label: None, ["returns nothing yet"]),
        (check_share_of_cityscapes, lambda label: 1 / 0, ["ZeroDivisionError"]),
        (check_share_of_cityscapes, lambda label: "a lot", ["not numbers"]),
        (check_share_of_cityscapes, lambda label: [1, [2]], ["not an array"]),
        (check_share_of_cityscapes, lambda label: np.bincount(label.ravel()) / label.size, ["shape (1,)", "minlength"]),
        (check_share_of_cityscapes, share_with_ignored, ["2 ignored", "expected 0.5", "255"]),
        (check_share_of_cityscapes, share_that_divides_by_zero, ["every pixel is ignored", "nan", "zeros"]),
        (check_to_train_ids, lambda ids: ids, ["road (7)", "is 7, expected 0"]),
        (check_to_train_ids, lambda ids: np.minimum(ids - 7, 18), ["is 18, expected 13"]),
        (check_to_train_ids, ids_in_place, ["is 255, expected 0"]),
        (check_resize_label, bilinear, ["only road and car", "average"]),
        (check_resize_label, lambda label, height, width: label, ["shape (4, 8)", "(8, 16)"]),
        (check_resize_label, lambda label, h, w: cv2.resize(label, (h, w)), ["shape (16, 8)", "(width, height)"]),
        (check_resize_label, lambda label, h, w: np.zeros((h, w), np.uint8), ["is missing"]),
    ],
)
def test_mistakes_are_named(examine, function, words):
    result = examine(function)
    assert not result.solved and all(word in result.message for word in words), result
    assert result.message in repr(result) and "<div" in result._repr_html_()


def test_shares_of_two_classes():
    two = Classes(("cell", "rest"), ((1, 1, 1), (2, 2, 2)))

    def solution(label):
        counts = np.bincount(label[label != 255], minlength=2)
        return counts / max(1, counts.sum())

    assert check_class_share(solution, two).solved
    assert "3 pixels of cell and 1 of rest" in check_class_share(lambda label: [0.5, 0.5], two).message
