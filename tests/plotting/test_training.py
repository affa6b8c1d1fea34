"""Figures of notebook 02: the artists hold the numbers that were passed in."""

import numpy as np

from helpers.plotting import training


def test_grouped_bars_leave_a_gap_for_nan():
    ax = training.grouped_bars({"one": [0.5, np.nan], "two": [0.2, 0.3]}, ["pole", "sky"])
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.0, 0.2, 0.3]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["pole", "sky"]


def test_validation_curves_pass_through_the_points():
    ax = training.validation_curves({"net": ([10, 20], [0.1, 0.3])})
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[10, 0.1], [20, 0.3]])


def test_train_and_validation_score_of_a_network_share_a_colour():
    ax = training.validation_curves({"net, val": ([1], [0.1]), "net, train": ([1], [0.2]), "other": ([1], [0.3])})
    val, train, other = ax.lines
    assert val.get_color() == train.get_color() != other.get_color()
    assert (val.get_linestyle(), train.get_linestyle()) == ("-", ":")


def test_recorded_curves_continue_the_axes_and_end_labels_do_not_overlap():
    ax = training.miou_by_samples({"a": ([2, 4], [0.1, 0.2])}, {"a": ([10, 100], [0.3, 0.80]), "b": ([10], [0.79])})
    own, recorded, other = ax.lines
    assert ax.get_xscale() == "log"
    assert own.get_color() == recorded.get_color() != other.get_color()
    assert [text.get_text().strip() for text in ax.texts] == ["0.800", "0.790"]
    high, low = (text.get_position()[1] for text in ax.texts)
    assert high - low >= 0.0599
