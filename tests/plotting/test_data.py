"""Figures of notebook 01: the artists hold the numbers that were passed in."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tiny_cityscapes import polygons, write_set

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import Classes, open_dataset
from helpers.datasets.scan import scan
from helpers.plotting import data

ROAD, CAR, SKY = (CITYSCAPES.index(name) for name in ("road", "car", "sky"))


@pytest.fixture
def statistics(tmp_path):
    return scan(open_dataset(write_set(tmp_path, size_hw=(64, 128))).frames("train"), cache=None)


def test_bars_have_the_values_and_class_colours():
    values = np.arange(19) / 100
    _, given = plt.subplots()
    ax = data.class_bars(
        {"train": values, "val": 2 * values}, "share", CITYSCAPES, {"published": {"road": 0.4}}, ax=given
    )
    assert ax is given
    bars = [patch for container in ax.containers for patch in container if len(container) == 19]
    np.testing.assert_allclose([bar.get_height() for bar in bars], [*values, *2 * values])
    np.testing.assert_allclose(bars[CAR].get_facecolor()[:3], CITYSCAPES.palette[CAR] / 255)
    (marks,) = ax.lines
    assert marks.get_ydata()[0] == 0.4 and np.isnan(marks.get_ydata()[1:]).all()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["published", "train", "val"]
    assert [text.get_text() for text in ax.get_xticklabels()] == list(CITYSCAPES.names)


def test_bars_of_some_classes():
    ax = data.class_bars({"train": [1, 2]}, "objects", CITYSCAPES, shown=["car", "bus"], log=True)
    assert ax.get_yscale() == "log" and len(ax.containers[0]) == 2
    with pytest.raises(CourseError, match="got 3 for 2"):
        data.class_bars({"train": [1, 2, 3]}, "objects", CITYSCAPES, shown=["car", "bus"])


def test_height_stack_fills_every_height(statistics):
    ax = data.height_stack(statistics, CITYSCAPES)
    right = max(path.vertices[:, 0].max() for area in ax.collections for path in area.get_paths())
    assert right == pytest.approx(1)
    assert ax.get_ylim() == (1, 0)  # the top of the image is on top


def test_height_map_shows_the_height_of_each_class(statistics):
    picture = data.height_map(statistics, CITYSCAPES).images[0].get_array()
    assert picture.shape == (64, 19)
    assert picture[:4, SKY].min() > 0.4 and picture[40:, SKY].max() == 0
    assert picture[-16:-8, ROAD].max() > 0 and picture[:32, ROAD].max() == 0


def test_width_spans_put_the_narrowest_class_on_top():
    spans = np.full((19, 3), np.nan)
    spans[[0, 5, 11]] = [[40, 90, 120], [1, 3, 4], [4, 9, 20]]  # road, pole, person
    ax = data.width_spans(spans, CITYSCAPES, cells=(8,))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["road", "person", "pole"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"] == [90, 9, 3]


def test_group_bars_keep_the_order_of_splits():
    ax = data.group_bars({"val/lindau": 2, "test/bonn": 4, "train/zurich": 1, "train/aachen": 3})
    assert [text.get_text() for text in ax.get_xticklabels()] == ["aachen", "zurich", "lindau", "bonn"]
    assert [bar.get_height() for container in ax.containers for bar in container] == [3, 1, 2, 4]


def test_group_bars_without_groups_are_named_after_the_split():
    ax = data.group_bars({"train/": 2, "val/": 1})
    assert [text.get_text() for text in ax.get_xticklabels()] == ["train", "val"]


@pytest.mark.parametrize("count", [2, 254])
def test_figures_of_any_number_of_classes(count):
    classes = Classes(tuple(f"class {i}" for i in range(count)), tuple((i, 0, 0) for i in range(count)))
    ax = data.class_bars({"train": [0.1] * count}, "share", classes)
    spans = data.width_spans(np.full((count, 3), 5.0), classes)
    for figure in (ax.figure, spans.figure):
        figure.canvas.draw()
        assert max(figure.get_size_inches()) <= 30
    assert len(ax.get_xticklabels()) == len(spans.get_yticklabels()) == count


def test_polygons_cover_those_behind_them(tmp_path):
    image = np.zeros((32, 64, 3), np.uint8)
    drawing = polygons(32, 64)  # sky, building, road, car, ...
    assert not data.polygon_picture(image, drawing, 0, CITYSCAPES).any()
    sky = data.polygon_picture(image, drawing, 1, CITYSCAPES, opacity=1)
    assert tuple(sky[12, 10]) == tuple(CITYSCAPES.palette[SKY])
    building = data.polygon_picture(image, drawing, 2, CITYSCAPES, opacity=1)
    assert tuple(building[12, 10]) == tuple(CITYSCAPES.palette[CITYSCAPES.index("building")])
    assert building[8, 10, :2].min() > 200 > building[8, 10, 2]  # its outline is yellow
    with pytest.raises(CourseError, match="0 to 9 objects"):
        data.polygon_picture(image, drawing, 10, CITYSCAPES)


def test_polygons_that_are_deleted_or_have_no_id():
    image = np.zeros((32, 64, 3), np.uint8)
    drawing = polygons(32, 64)
    drawing["objects"] = [{**drawing["objects"][0], "deleted": 1}, {**drawing["objects"][1], "label": "license plate"}]
    picture = data.polygon_picture(image, drawing, 1, CITYSCAPES, opacity=1)
    assert not picture[10:15, 3:18].any()  # outlined, not filled
    with pytest.raises(CourseError, match="0 to 1 objects"):
        data.polygon_picture(image, drawing, 2, CITYSCAPES)


def test_polygons_have_the_colours_of_their_data():
    cells = Classes(("cell", "rest"), ((9, 8, 7), (1, 1, 1)))
    square = [[1, 1], [30, 1], [30, 30], [1, 30]]
    drawing = {"objects": [{"label": "cell", "polygon": square}, {"label": "unknown", "polygon": square[:3]}]}
    picture = data.polygon_picture(np.zeros((32, 32, 3), np.uint8), drawing, 2, cells, opacity=1)
    assert tuple(picture[20, 10]) == (9, 8, 7) == tuple(picture[10, 20])  # "unknown" is only outlined


def test_ignored_areas():
    image = np.full((2, 2, 3), 90, np.uint8)
    ax = data.ignored_areas(image, np.uint8([[7, 26], [1, 9]]))  # road, car, ego vehicle, parking
    picture = ax.images[0].get_array()
    assert (picture[0] == 30).all() and not (picture[1, 0] == picture[1, 1]).all()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ego vehicle, 25.0%", "parking, 25.0%"]
    assert ax.get_title() == "ignored: 50.0% of the frame"
    assert data.ignored_areas(image, np.full((2, 2), 7, np.uint8)).get_legend() is None


def test_each_instance_has_its_own_colour():
    picture = data.instance_colours(np.uint16([[26000, 26001, 26, 7]]))
    assert len({tuple(pixel) for pixel in picture[0]}) == 3 and tuple(picture[0, 2]) == tuple(picture[0, 3])


def test_the_densest_window():
    values = np.zeros((6, 9), np.float32)
    values[4:, 7:] = 1
    assert data.densest(values, (2, 3)) == (slice(4, 6), slice(6, 9))
    assert data.densest(values, (6, 9)) == (slice(0, 6), slice(0, 9))


def test_gallery_has_one_pair_per_row():
    wide, tall = np.zeros((4, 8, 3), np.uint8), np.zeros((8, 4, 3), np.uint8)
    figure = data.before_and_after([("a", wide, wide), ("b", tall, tall), ("c", wide, wide)], columns=2, caption="tiny")
    assert sorted(ax.get_title() for ax in figure.axes if ax.get_title()) == ["a", "b", "c"]
    assert sum(len(ax.images) for ax in figure.axes) == 6
