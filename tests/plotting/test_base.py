"""Overlays are compared with pixels worked out by hand, figures by their content."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, Classes
from helpers.plotting import base


def test_overlay_matches_pixels_worked_out_by_hand():
    image = np.full((1, 3, 3), 100, dtype=np.uint8)
    labels = np.array([[0, 10, IGNORE]])  # road 128 64 128, sky 70 130 180, ignored
    assert base.overlay(image, labels, CITYSCAPES, 0.5).tolist() == [[[114, 82, 114], [85, 115, 140], [100, 100, 100]]]


def test_overlay_at_opacity_zero_and_one():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    labels = rng.integers(0, 19, (5, 7))
    np.testing.assert_array_equal(base.overlay(image, labels, CITYSCAPES, 0.0), image)
    np.testing.assert_array_equal(base.overlay(image, labels, CITYSCAPES, 1.0), CITYSCAPES.palette[labels])


@pytest.mark.parametrize("labels, opacity, words", [((2, 3), 0.5, "2 x 3"), ((4, 4), 1.5, "1.5")])
def test_overlay_rejects_bad_input(labels, opacity, words):
    with pytest.raises(CourseError, match=words):
        base.overlay(np.zeros((4, 4, 3), np.uint8), np.zeros(labels, int), CITYSCAPES, opacity)


def test_show_image_draws_on_the_given_axes():
    _, ax = plt.subplots()
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert base.show_image(image, ax, "four by three") is ax
    assert ax.get_title() == "four by three"
    np.testing.assert_array_equal(ax.images[0].get_array(), image)


def many_classes(count, name="class {}"):
    return Classes(tuple(name.format(i) for i in range(count)), tuple((i, 255 - i, 7) for i in range(count)))


def test_overlay_uses_the_colours_of_the_classes():
    two = Classes(("cell", "rest"), ((10, 20, 30), (40, 50, 60)))
    picture = base.overlay(np.zeros((1, 2, 3), np.uint8), np.array([[1, 0]]), two, 1.0)
    assert picture.tolist() == [[[40, 50, 60], [10, 20, 30]]]


def test_colours_of_present_classes_skip_ignored_pixels():
    colours = base.class_colours(CITYSCAPES, np.array([[3, IGNORE]]), np.array([[0, 18, 3]]))
    assert list(colours) == ["road", "wall", "bicycle"] and tuple(colours["wall"]) == CITYSCAPES.colours[3]
    assert list(base.class_colours(CITYSCAPES)) == list(CITYSCAPES.names)
    assert base.class_colours(CITYSCAPES, np.full((2, 2), IGNORE)) == {}


def test_legend_has_names_and_colours():
    _, ax = plt.subplots()
    legend = base.class_legend(ax, base.class_colours(CITYSCAPES, np.array([0, 13])))
    assert [text.get_text() for text in legend.get_texts()] == ["road", "car"]
    assert np.allclose(legend.get_patches()[1].get_facecolor()[:3], CITYSCAPES.palette[13] / 255)


def test_legend_of_labelme_background_and_of_dollars():
    _, ax = plt.subplots()
    odd = Classes(("_background_", "$5$"), ((0, 0, 0), (1, 1, 1)))
    legend = base.class_legend(ax, base.class_colours(odd))
    assert [text.get_text() for text in legend.get_texts()] == ["_background_", r"\$5\$"]
    ax.figure.canvas.draw()


@pytest.mark.parametrize("count", [2, 254])
def test_legend_of_any_number_of_classes_stays_inside_its_figure(count):
    pictures = [np.zeros((9, 16, 3), np.uint8)] * 2
    figure = base.frame_grid(pictures, columns=2, legend=base.class_colours(many_classes(count)))
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0
    assert figure.axes[0].get_window_extent().width > 0.4 * figure.bbox.width


def test_legend_of_long_names_stays_inside_its_figure():
    long = base.class_colours(many_classes(6, "a very long name of a class, number {}"))
    figure = base.frame_grid([np.zeros((9, 16, 3), np.uint8)], legend=long)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    assert figure.legends[0].get_texts()[0].get_text() == "a very long name of a c…"


def test_rows_of_a_grid_have_the_height_of_their_images():
    wide, tall = np.zeros((10, 40, 3), np.uint8), np.zeros((40, 10, 3), np.uint8)
    figure = base.frame_grid([wide, wide, tall, wide], columns=2)
    figure.canvas.draw()
    heights = [ax.get_subplotspec().get_position(figure).height for ax in figure.axes]
    assert heights[2] > 5 * heights[0]


def test_many_ticks_are_smaller():
    ax = base.new_axes()
    base.class_ticks(ax.xaxis, [str(i) for i in range(200)])
    assert len(ax.get_xticklabels()) == 200 and ax.get_xticklabels()[0].get_size() == 3.5


def test_text_of_wide_figures_is_larger():
    assert base.legible(9, 8.0) == 9 and base.legible(9, 19.0) == 18
    figure = base.frame_grid([np.zeros((4, 8, 3), np.uint8)] * 3, ["a"] * 3, panel_width=19 / 3, caption="tiny")
    assert figure.axes[0].title.get_size() == 20 and figure._supxlabel.get_size() == 18


def test_grid_has_titles_and_a_caption():
    pictures = [np.zeros((4, 8, 3), np.uint8)] * 5
    figure = base.frame_grid(
        pictures, list("abcde"), columns=2, caption="tiny", legend=base.class_colours(CITYSCAPES, np.array([0]))
    )
    assert [ax.get_title() for ax in figure.axes] == [*"abcde", ""]
    assert figure.legends[0].get_title().get_text() == "tiny"
    assert base.frame_grid(pictures, columns=2, caption="tiny").get_supxlabel() == "tiny"


@pytest.mark.parametrize(
    "count, titles, words", [(0, None, "at least one image"), (2, ["one"], "1 titles for 2 images")]
)
def test_grid_rejects_bad_input(count, titles, words):
    with pytest.raises(CourseError, match=words):
        base.frame_grid([np.zeros((4, 8, 3), np.uint8)] * count, titles)
