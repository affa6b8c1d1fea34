"""Overlays are compared with pixels worked out by hand, figures by their content."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.cityscapes import CLASSES, PALETTE
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE
from helpers.plotting import base


def test_overlay_matches_pixels_worked_out_by_hand():
    image = np.full((1, 3, 3), 100, dtype=np.uint8)
    labels = np.array([[0, 10, IGNORE]])  # road 128 64 128, sky 70 130 180, ignored
    assert base.overlay(image, labels, 0.5).tolist() == [[[114, 82, 114], [85, 115, 140], [100, 100, 100]]]


def test_overlay_at_opacity_zero_and_one():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    labels = rng.integers(0, 19, (5, 7))
    np.testing.assert_array_equal(base.overlay(image, labels, 0.0), image)
    np.testing.assert_array_equal(base.overlay(image, labels, 1.0), PALETTE[labels])


@pytest.mark.parametrize("labels, opacity, words", [((2, 3), 0.5, "2 x 3"), ((4, 4), 1.5, "1.5")])
def test_overlay_rejects_bad_input(labels, opacity, words):
    with pytest.raises(CourseError, match=words):
        base.overlay(np.zeros((4, 4, 3), np.uint8), np.zeros(labels, int), opacity)


def test_show_image_draws_on_the_given_axes():
    _, ax = plt.subplots()
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert base.show_image(image, ax, "four by three") is ax
    assert ax.get_title() == "four by three"
    np.testing.assert_array_equal(ax.images[0].get_array(), image)


def test_legend_accepts_names_and_ids():
    _, ax = plt.subplots()
    legend = base.class_legend(ax, ["car", 0])
    assert [text.get_text() for text in legend.get_texts()] == ["car", "road"]
    assert np.allclose(legend.get_patches()[0].get_facecolor()[:3], PALETTE[CLASSES.index("car")] / 255)


def test_present_classes_skips_ignored_pixels():
    assert base.present_classes(np.array([[3, IGNORE]]), np.array([[0, 18, 3]])) == [0, 3, 18]


def test_grid_has_titles_and_a_caption():
    pictures = [np.zeros((4, 8, 3), np.uint8)] * 5
    figure = base.frame_grid(pictures, list("abcde"), columns=2, caption="tiny", legend=["road"])
    assert [ax.get_title() for ax in figure.axes] == [*"abcde", ""]
    assert figure.legends[0].get_title().get_text() == "tiny"
    assert base.frame_grid(pictures, columns=2, caption="tiny").get_supxlabel() == "tiny"


@pytest.mark.parametrize(
    "count, titles, words", [(0, None, "at least one image"), (2, ["one"], "1 titles for 2 images")]
)
def test_grid_rejects_bad_input(count, titles, words):
    with pytest.raises(CourseError, match=words):
        base.frame_grid([np.zeros((4, 8, 3), np.uint8)] * count, titles)
