"""Widths of regions, by hand."""

import numpy as np
import pytest

from helpers.datasets import IGNORE
from helpers.datasets.widths import region_widths, width_spans


def test_by_hand():
    label = np.full((40, 60), IGNORE, np.uint8)
    label[5:35, 3:6] = 5  # a pole, 3 wide
    label[10:21, 10:30] = 2  # 11 x 20
    label[0, 40:50] = 5  # a line along the frame's edge
    classes, widths, areas = region_widths(label)
    found = sorted(zip(classes.tolist(), widths.tolist(), areas.tolist(), strict=True))
    assert found == [(2, 11, 220), (5, 1, 10), (5, 3, 90)]


def test_diagonal_neighbours_are_one_region():
    label = np.full((9, 9), IGNORE, np.uint8)
    np.fill_diagonal(label, 5)
    assert [each.tolist() for each in region_widths(label)] == [[5], [1], [9]]


def test_spans_are_weighted_by_area():
    label = np.full((64, 64), IGNORE, np.uint8)
    label[0:40, 0:40] = 2  # 1600 pixels, 40 wide (an even side: the centre lies between pixels)
    for start in range(0, 40, 4):
        label[start : start + 2, 50:60] = 2  # 10 x 20 pixels, 2 wide
    spans = width_spans([label], 19, (0.05, 0.5, 0.9))
    assert spans[2].tolist() == pytest.approx([1, 39, 39])
    assert np.isnan(np.delete(spans, 2, axis=0)).all()


def test_a_label_in_which_all_is_ignored():
    empty = np.full((8, 8), IGNORE, np.uint8)
    assert all(each.size == 0 for each in region_widths(empty))
    assert np.isnan(width_spans([empty], 19)).all()
