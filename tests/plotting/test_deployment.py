"""Figures of notebook 05: bars, labels and limits."""

import numpy as np
import pandas as pd
import pytest

from helpers.common.errors import CourseError
from helpers.plotting.deployment import (
    changed_by_part,
    flicker,
    iou_changes,
    networks_and_engines,
    operators,
    roofline,
    waterfall,
)


def test_waterfall_shows_remaining_and_saved_time():
    ax = waterfall([("eager", 100.0, 1.0), ("exported", 80.0, 1.0), ("worse", 90.0, 0.5)])
    bars = [(bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_width()) for bar in ax.patches]
    np.testing.assert_allclose(bars, [(0, 0, 100), (1, 0, 80), (1, 80, 20), (2, 0, 80), (2, 80, 10)], atol=1e-9)
    texts = [text.get_text() for text in ax.texts]
    assert texts[1] == "80 ms, 1.2 x   agreement 100.0000%" and texts[2].startswith("90 ms, 1.1 x")
    with pytest.raises(CourseError, match="at least one step"):
        waterfall([])


def test_remaining_operators_share_one_bar():
    ax = operators({"conv2d": 60.0, "argmax": 30.0, "add": 6.0, "relu": 4.0}, keep=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["conv2d", "argmax", "all others"]
    assert [text.get_text() for text in ax.texts] == ["60 ms, 60%", "30 ms, 30%", "10 ms, 10%"]
    with pytest.raises(CourseError, match="at least one operator"):
        operators({})


def test_roof_is_the_lower_of_memory_and_arithmetic():
    ax = roofline({"float32": 100.0}, 10.0, {"eager": (20.0, 5.0)})
    x, y = ax.lines[0].get_data()
    assert y.max() == 100 and y[0] == pytest.approx(10 * x[0])
    assert ax.lines[1].get_data() == ([20.0], [5.0])


def test_the_ridge_is_where_the_limits_meet():
    ax = roofline({"float32": 100.0, "bfloat16": 400.0}, 10.0, {"eager": (20.0, 5.0)})
    assert any(text.get_text() == "ridge of float32: 10 operations per byte" for text in ax.texts)


def test_changes_of_iou_are_relative_to_the_first():
    ax = iou_changes({"float32": [0.5, np.nan, 0.8], "int8": [0.4, 0.1, 0.9]}, ["road", "rider", "car"])
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [-10, 10])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["road (0.50)", "car (0.80)"]


def test_a_precision_without_changes_is_not_in_the_legend():
    ax = iou_changes({"float32": [0.5, np.nan], "bfloat16": [0.5, np.nan], "int8": [0.4, np.nan]}, ["road", "rider"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["int8"]
    assert iou_changes({"float32": [0.5], "bfloat16": [0.5]}, ["road"]).get_legend() is None


def test_parts_are_compared_with_everything():
    ax = changed_by_part(0.02, {"pool": 0.02, "classifier": 0.005})
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [2, 0.5])
    assert ax.lines[0].get_xdata()[0] == 2


def test_every_engine_has_a_mark_for_each_network():
    index = pd.MultiIndex.from_product([["a", "b"], ["x", "y", "z"]], names=["network", "engine"])
    ax = networks_and_engines(pd.DataFrame({"ms": range(1, 7)}, index=index))
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 4], [2, 5], [3, 6]]


def test_flicker_starts_at_the_second_frame():
    ax = flicker({"network": [0.01, 0.02], "true labels": [0.0, 0.0]})
    assert list(ax.lines[0].get_xdata()) == [2, 3]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [1, 2])
