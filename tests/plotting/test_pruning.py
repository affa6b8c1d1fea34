"""Figures of notebook 04: what is kept and what is removed."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.plotting.pruning import (
    FAINTEST,
    KEPT,
    REMOVED,
    chained_weights,
    filter_norms,
    macs_per_layer,
    paths,
    ranked_norms,
    score_bars,
    scores_by_cut,
    time_bars,
)


def test_chained_weights_strike_out_the_same_channels():
    rng = np.random.default_rng(0)
    figure = chained_weights(rng.normal(size=(5, 3, 3, 3)), rng.normal(size=(4, 5, 3, 3)), kept=[0, 2, 3])
    left, right = figure.axes[:2]
    assert [line.get_ydata()[0] for line in left.lines] == [1, 4]
    assert [line.get_xdata()[0] for line in right.lines] == [1, 4]
    assert left.images[0].get_array().shape == (5, 3) and right.images[0].get_array().shape == (4, 5)


def test_filter_norms_are_relative_to_the_layer_mean():
    ax = filter_norms({"a": np.array([1.0, 3.0]), "b": np.array([2.0, 2.0, 5.0])}, {"a": [1], "b": [1, 2]})
    heights = [np.asarray(dots.get_offsets())[:, 1].tolist() for dots in ax.collections]
    assert heights == [[1.5], [0.5], pytest.approx([2 / 3, 5 / 3]), pytest.approx([2 / 3])]
    colors = [dots.get_facecolor()[0].tolist() for dots in ax.collections]
    assert colors == [list(plt.matplotlib.colors.to_rgba(color)) for color in (KEPT, REMOVED, KEPT, REMOVED)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["kept", "removed"]


def test_filter_norms_share_a_label_within_a_part():
    names = [
        "learning_to_downsample.a",
        "learning_to_downsample.b",
        "global_feature_extractor.bottleneck2.0",
        "other.a",
    ]
    ax = filter_norms({name: np.ones(2) for name in names}, {name: [0] for name in names})
    assert [text.get_text() for text in ax.get_xticklabels()] == ["downsample", "bottleneck 2", "other"]
    assert ax.get_xticks().tolist() == [0.5, 2, 3]


def test_macs_per_layer_draws_on_the_axes_it_is_given():
    given = plt.subplots()[1]
    ax = macs_per_layer(["stem", "stem", "head"], [4_000_000, 2_000_000, 1_000_000], [2_000_000, 1_000_000, 0], given)
    assert ax is given
    before, after = ([bar.get_height() for bar in bars] for bars in ax.containers)
    assert (before, after) == ([4, 2, 1], [2, 1, 0])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["stem", "head"]
    assert list(ax.get_xticks()) == [0.5, 2]


def test_a_filter_of_zeros_is_drawn_at_the_bottom():
    ax = filter_norms({"a": np.array([0.0, 2.0])}, {"a": [1]})
    drawn = {points.get_offsets()[0, 1] for points in ax.collections}
    assert ax.get_yscale() == "log" and drawn == {FAINTEST, 2.0}


def test_scores_by_cut_draw_means_and_single_draws():
    ax = scores_by_cut({"a": [(0.3, [0.5]), (0.5, [0.2])], "b": [(0.3, [0.1, 0.3])]}, "mIoU", level=0.7)
    level, a, b = ax.lines
    assert set(level.get_ydata()) == {0.7}
    assert a.get_ydata().tolist() == [0.5, 0.2] and b.get_ydata().tolist() == pytest.approx([0.2])
    assert [dots.get_offsets()[:, 1].tolist() for dots in ax.collections] == [[0.1, 0.3]]  # none for a single score


def test_score_bars_show_the_mean():
    ax = score_bars({"a": [0.5], "b": [0.1, 0.3]}, 0.7, "mIoU")
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.5, 0.2])
    assert [text.get_text() for text in ax.texts] == ["0.500", "0.200"]
    assert len(ax.collections) == 1 and ax.get_xlim()[1] > 0.7


def test_ranked_norms_go_from_weakest_to_strongest():
    figure = ranked_norms({"a": np.array([3.0, 1.0, 2.0])}, {"a": [0, 2]})
    removed, kept, shade = figure.axes[0].containers
    assert [bar.get_x() + 0.5 for bar in shade] == [0]
    assert [(bar.get_x() + 0.5, bar.get_height()) for bar in removed] == [(0, 0.5)]
    assert [(bar.get_x() + 0.5, bar.get_height()) for bar in kept] == [(1, 1.0), (2, 1.5)]


def test_paths_have_one_line_per_name():
    ax = paths({"a": np.array([1.0, 0.5]), "b": np.array([1.0, 0.9])}, "weight")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1.0, 0.5], [1.0, 0.9]]


def test_time_bars_show_ratio_quartiles_and_work():
    columns = pd.MultiIndex.from_product([["x", "y"], ["ms", "ratio", "quartile 1", "quartile 3"]])
    rows = [[9, 1, 1, 1, 9, 1, 1, 1], [5, 0.6, 0.5, 0.7, 7, 0.8, 0.7, 0.9], [1] * 8]
    ax = time_bars(pd.DataFrame(rows, index=["a", "b", "not drawn"], columns=columns), {"a": 1.0, "b": 0.49})
    assert [[bar.get_width() for bar in bars] for bars in ax.containers] == [[1.0, 0.6], [1.0, 0.8]]
    assert ax.collections[0].get_segments()[1][:, 0].tolist() == [0.5, 0.7]
    assert ax.collections[-1].get_offsets()[:, 0].tolist() == [1.0, 0.49]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_a_layer_of_zeros_has_no_mean_to_divide_by():
    ax = filter_norms({"a": np.zeros(2)}, {"a": [1]})
    assert [dots.get_offsets()[0, 1] for dots in ax.collections] == [FAINTEST, FAINTEST]
