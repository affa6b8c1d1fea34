"""Figures in words."""

from __future__ import annotations

import datetime

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers import plotting
from helpers.cityscapes import CITYSCAPES
from helpers.plotting.alternative_text import describe, show_in_notebooks


@pytest.fixture
def ax():
    figure, ax = plt.subplots(layout="constrained")
    yield ax
    plt.close(figure)


def test_lines_are_described_by_their_ends(ax):
    ax.plot([0, 100], [2.5, 0.5], label="HRNet")
    ax.axhline(1.0)
    ax.set(xlabel="step", ylabel="loss", xlim=(0, 100), ylim=(0, 3))
    plotting.caption(ax.figure, "MiniScapes, seed 0")
    assert describe(ax.figure) == (
        "chart of loss from 0 to 3 by step from 0 to 100: HRNet from 2.5 at 0 to 0.5 at 100. MiniScapes, seed 0."
    )


def test_bars_are_described_by_their_names_and_range(ax):
    ax.bar(["road", "pole"], [0.9, 0.25], label="IoU")
    ax.set(ylabel="IoU", ylim=(0, 1))
    assert describe(ax.figure) == "chart of IoU from 0 to 1 by road, pole: IoU from 0.25 to 0.9."


def test_points_are_counted(ax):
    ax.scatter([1, 2, 3], [4, 5, 9], label="filters")
    assert "filters, 3 points from 4 to 9" in describe(ax.figure)


def test_values_that_are_missing_are_left_out(ax):
    ax.bar([0, 1], [np.nan, 0.5])
    assert "bars from 0.5 to 0.5" in describe(ax.figure)


def test_images_are_named_by_their_titles_with_the_legend_and_the_caption():
    grey = np.zeros((4, 8, 3), np.uint8)
    figure = plotting.frame_grid([grey, grey], ["image", "label"], 2, "MiniScapes", {"road": np.array([128, 64, 128])})
    assert describe(figure) == "image: image; image: label. Colours: road. MiniScapes."


def test_a_matrix_names_its_axes(ax):
    ax.imshow(np.eye(2))
    ax.set_xticks([0, 1], ["road", "pole"])
    ax.set_yticks([0, 1], ["road", "pole"])
    ax.set(xlabel="prediction", ylabel="label")
    assert describe(ax.figure) == "matrix of label (road, pole) by prediction (road, pole)."


def test_many_panels_are_shortened():
    grey = np.zeros((4, 8), np.uint8)
    assert describe(plotting.frame_grid([grey] * 11, [str(i) for i in range(11)])).endswith("image: 7; and 3 more.")


def test_bars_in_the_colours_of_the_classes_have_the_name_of_their_series():
    values = np.linspace(0.1, 0.9, len(CITYSCAPES))
    ax = plotting.data.class_bars({"train": values}, "share", CITYSCAPES)
    assert describe(ax.figure).endswith(": train from 0.1 to 0.9.")


def test_a_logarithmic_axis_is_described_by_its_range(ax):
    ax.set(yscale="log", ylabel="share", ylim=(0.001, 1))
    ax.plot([0, 1], [0.01, 0.1], label="HRNet")
    assert describe(ax.figure).startswith("chart of share from 0.001 to 1 by")


def test_lines_over_categories_and_dates_have_values_only(ax):
    ax.plot(["mini", "smoke"], [1, 2], label="minutes")
    assert describe(ax.figure).endswith("by mini, smoke: minutes from 1 to 2.")
    ax.clear()
    ax.plot([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], [1, 2], label="minutes")
    assert describe(ax.figure).endswith(": minutes from 1 to 2.")


def test_what_has_no_name_is_not_an_empty_figure(ax):
    ax.plot([0, 10], [1, 2])
    assert describe(ax.figure).endswith(": line from 1 at 0 to 2 at 10.")
    ax.clear()
    ax.pcolormesh(np.eye(2))
    assert describe(ax.figure) == "chart of value from 0 to 2 by value from 0 to 2: shapes."


def test_title_of_the_figure_comes_first(ax):
    ax.plot([0, 1], [0, 1], label="HRNet")
    ax.figure.suptitle("MiniLeaves")
    assert describe(ax.figure).startswith("MiniLeaves. chart of")


def test_an_empty_figure_says_so():
    assert describe(plt.figure()) == "An empty figure."


def test_a_notebook_shows_the_text_with_the_figure(ax, monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    show_in_notebooks()
    ax.plot([0, 1], [0, 1], label="HRNet")
    data, metadata = shell.display_formatter.format(ax.figure)
    assert data["text/plain"] == metadata["image/png"]["alt"] == describe(ax.figure)


def test_points_and_intervals_are_described_by_their_values():
    figure = plotting.evaluation.differences(np.array([[0.2], [0.1], [0.3]]), ["mIoU"], "one", "two", 0.95).figure
    assert "mIoU from 0.1 to 0.3" in describe(figure)
    assert "flip 0.31 at 1" in describe(plotting.evaluation.cost_and_gain({"flip": (1.0, 0.31)}).figure)
