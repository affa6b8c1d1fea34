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


def table_of_34_with_the_license_plate(label_ids):
    table = np.zeros(34, np.uint8)
    for label in cityscapes.LABELS:
        table[label.id] = label.trainId & 255
    return table[label_ids]


def table_of_zeros(label_ids):
    table = np.zeros(34, np.uint8)
    for name in cityscapes.CITYSCAPES.names:
        (label,) = [label for label in cityscapes.LABELS if label.name == name]
        table[label.id] = label.trainId
    return table[label_ids]


def ids_in_place(label_ids):
    for label in reversed(cityscapes.LABELS):  # bicycle 33 becomes 18, then polegroup 18 becomes 255
        if label.id >= 0:
            label_ids[label_ids == label.id] = label.trainId
    return label_ids


def interpolated(mode):
    return lambda label, height, width: cv2.resize(label, (width, height), interpolation=mode)


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
        (check_share_of_cityscapes, share_with_ignored, ["2 ignored", "expected 0.5", "exclude them from the sum"]),
        (check_share_of_cityscapes, share_that_divides_by_zero, ["every pixel is ignored", "0 / 0 is nan"]),
        (check_to_train_ids, lambda ids: ids, ["road (7)", "is 7, expected 0"]),
        (check_to_train_ids, lambda ids: ids - 7, ["is 19, expected 13", "not consecutive"]),
        (check_to_train_ids, table_of_34_with_the_license_plate, ["is 255, expected 18", "license plate"]),
        (check_to_train_ids, table_of_zeros, ["ego vehicle", "is 0, expected 255", "table of 255"]),
        (check_to_train_ids, ids_in_place, ["is 255, expected 0", "mapped twice"]),
        (check_resize_label, interpolated(cv2.INTER_LINEAR), ["only road and car", "the average", "by name"]),
        (check_resize_label, lambda label, h, w: cv2.resize(label, (w, h), cv2.INTER_NEAREST), ["by name"]),
        (check_resize_label, interpolated(cv2.INTER_CUBIC), ["the average", "Cubic"]),
        (check_resize_label, lambda label, height, width: label, ["shape (4, 8)", "(8, 16)", "rows"]),
        (check_resize_label, lambda label, h, w: cv2.resize(label, (h, w)), ["shape (16, 8)", "(width, height)"]),
        (check_resize_label, lambda label, h, w: np.zeros((h, w), np.uint8), ["is missing"]),
    ],
)
def test_mistakes_are_named(examine, function, words):
    result = examine(function)
    assert not result.solved and all(word in result.message for word in words), result


def test_shares_of_two_classes():
    two = Classes(("cell", "rest"), ((1, 1, 1), (2, 2, 2)))

    def solution(label):
        counts = np.bincount(label[label != 255], minlength=2)
        return counts / max(1, counts.sum())

    assert check_class_share(solution, two).solved
    assert "3 pixels of cell and 1 of rest" in check_class_share(lambda label: [0.5, 0.5], two).message
