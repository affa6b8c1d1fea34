"""Figures of notebook 03: values, positions and colours of what they draw."""

import numpy as np

from helpers.datasets import IGNORE
from helpers.plotting import evaluation as figures


def test_error_picture_colours_errors_and_keeps_ignored_pixels_grey():
    image = np.full((1, 5, 3), 100, np.uint8)
    image[0, 4] = [0, 60, 90]
    picture = figures.error_picture(np.array([[0, 1, 2, 3, IGNORE]], np.uint8), image, opacity=1.0)
    np.testing.assert_array_equal(picture[0, :4], figures.ERROR_COLOURS)
    assert picture[0, 4].tolist() == [50, 50, 50]  # grey
    half = figures.error_picture(np.array([[3]], np.uint8), image[:, :1], opacity=0.5)
    np.testing.assert_allclose(half[0, 0], (figures.ERROR_COLOURS[3].astype(float) + 100) / 2, atol=0.5)


def test_differences_colour_significant_rows_and_mark_absent_classes():
    rows = np.array([[0.2, -0.1, 0.05, np.nan], [0.1, -0.2, -0.02, np.nan], [0.3, -0.05, 0.1, np.nan]])
    ax = figures.differences(rows, ["a", "b", "c", "d"], "one", "two", 0.95)
    points = [line for line in ax.lines if line.get_marker() == "o"]
    colours = [line.get_color() for line in points]
    assert len(points) == 3 and colours[2] == "0.6"
    np.testing.assert_allclose(colours[0], figures.ERROR_COLOURS[2] / 255)
    np.testing.assert_allclose(colours[1], figures.ERROR_COLOURS[1] / 255)
    assert [text.get_text().strip() for text in ax.texts] == ["absent"]
    assert "95%" in ax.get_xlabel() and ax.get_xlim()[0] == -ax.get_xlim()[1]


def test_iou_by_bin_skips_empty_bins():
    ax = figures.iou_by_bin(
        {"one": np.array([0.5, np.nan, 0.9])}, np.array([4, 0, 2]), np.array([1, 10, 100, 1000]), "x"
    )
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [10**0.5, 10**2.5])
    assert [text.get_text() for text in ax.texts] == ["4", "2"]


def test_subset_scores_and_costs_label_their_values():
    ax = figures.subset_scores([1, 2], {"left out": [0.2, 0.3], "as 1": [0.6, 0.5]})
    assert [line.get_label() for line in ax.lines] == ["left out", "as 1"]
    ax = figures.cost_and_gain({"plain": (0.5, 0.3), "flip": (1.0, 0.31)})
    assert [text.get_text() for text in ax.texts] == ["plain", "flip"]
    assert ax.get_xlim()[1] > 1.0


def test_reliability_leaves_empty_bins_out():
    table = (np.array([0, 30, 10]), np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 0.4, 0.9]))
    ax = figures.reliability({"net": table})
    diagonal, line = ax.lines
    assert line.get_xydata().tolist() == [[0.5, 0.4], [0.9, 0.9]] and line.get_label() == "net"
    assert [bar.get_height() for bar in ax.patches] == [0, 0.75, 0.25]


def test_robustness_has_a_panel_per_corruption():
    figure = figures.robustness({"fog": {"a": [0.8, 0.5], "b": [0.7, 0.6]}, "blur": {"a": [0.8, 0.4], "b": [0.7, 0.3]}})
    assert [ax.get_title() for ax in figure.axes] == ["fog", "blur"]
    assert [line.get_ydata().tolist() for line in figure.axes[1].lines] == [[0.8, 0.4], [0.7, 0.3]]
