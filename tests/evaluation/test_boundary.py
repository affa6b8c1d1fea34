"""Boundary IoU: by hand, at its limits, against an implementation by distances, and its point: thin things."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt

from helpers.common.errors import CourseError
from helpers.datasets import IGNORE
from helpers.evaluation.boundary import boundary_counts, boundary_iou


def square(size: int, start: int, stop: int) -> np.ndarray:
    label = np.zeros((size, size), np.uint8)
    label[start:stop, start:stop] = 1
    return label


def test_by_hand():
    # The strips are one pixel wide. 10 x 10 and 8 x 8 squares around one centre have rings of 36 and 28 pixels that do
    # not meet.
    label, prediction = square(20, 5, 15), square(20, 6, 14)
    counts = boundary_counts(prediction, label, num_classes=2, distance=0.001)
    assert counts[:, 1].tolist() == [0, 36 + 28]
    assert boundary_counts(label, label, num_classes=2, distance=0.001)[:, 1].tolist() == [36, 36]


def test_perfect_is_one_disjoint_is_zero_absent_is_nan():
    label, other = square(20, 2, 8), square(20, 10, 16)
    perfect = boundary_iou([boundary_counts(label, label, 3)])
    assert perfect[:2].tolist() == [1, 1] and np.isnan(perfect[2])
    assert boundary_iou([boundary_counts(other, label, 2)])[1] == 0


def test_counts_of_frames_are_added_before_dividing():
    label, prediction = square(20, 5, 15), square(20, 6, 14)
    one, two = boundary_counts(prediction, label, 2), boundary_counts(label, label, 2)
    assert boundary_iou([one, two])[1] == (one + two)[0, 1] / (one + two)[1, 1]


def test_ignored_pixels_count_nowhere_and_make_no_contour():
    label, prediction = square(20, 5, 15), square(20, 5, 15)
    label[:, :10] = IGNORE
    prediction[:, :10] = 7
    counts = boundary_counts(prediction, label, num_classes=8, distance=0.001)
    assert counts[1, 7] == 0
    assert counts[:, 1].tolist() == [10 + 2 * 4, 10 + 2 * 4]  # three sides of the right half; no side along column 10


def test_an_offset_of_two_pixels_costs_a_large_and_a_thin_region_alike():
    """That is the point of the score: IoU hides the same offset in the interior of the large one."""
    label = np.zeros((64, 128), np.uint8)
    label[10:60, 10:60] = 1
    label[10:60, 90:93] = 5
    shifted = np.roll(label, 2, axis=1)
    iou = {c: np.sum((shifted == c) & (label == c)) / np.sum((shifted == c) | (label == c)) for c in (1, 5)}
    boundary = boundary_iou([boundary_counts(shifted, label, 6)])
    assert iou[1] > 0.9 and iou[5] < 0.25
    assert boundary[1] < 0.5 and boundary[5] < 0.4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(3, 24), st.integers(3, 24), st.integers(1, 4))
def test_equals_an_implementation_by_distances(seed, height, width, pixels):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (2, -(-height // 3), -(-width // 3)))
    label, prediction = coarse.repeat(3, axis=1).repeat(3, axis=2)[:, :height, :width].astype(np.uint8)
    distance = pixels / np.hypot(height, width)
    counts = boundary_counts(prediction, label, num_classes=3, distance=distance)
    for class_id in range(3):
        strips = []
        for ids in (label, prediction):
            inside = np.pad(ids == class_id, 1)
            depth = distance_transform_cdt(inside, metric="chessboard")[1:-1, 1:-1]  # 1 at the contour
            strips.append((depth >= 1) & (depth <= pixels))
        assert counts[:, class_id].tolist() == [np.sum(strips[0] & strips[1]), np.sum(strips[0] | strips[1])]


def test_other_sizes_are_refused():
    with pytest.raises(CourseError, match=r"label's size \(20, 20\), got \(10, 10\)"):
        boundary_counts(square(10, 2, 4), square(20, 2, 4), 2)
