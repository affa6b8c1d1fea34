"""Figures of notebook 05: bars, labels and limits."""

import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.plotting.deployment import operators, roofline, waterfall


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
