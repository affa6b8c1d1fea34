"""The dataset browser without a front end: set a control, read the picture."""

import cv2
import numpy as np
import pytest
from tiny_cityscapes import write_set

from helpers import datasets
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import Classes, Dataset, open_dataset
from helpers.plotting.base import overlay
from helpers.widgets import dataset_browser
from helpers.widgets.dataset_browser import DatasetBrowser
from helpers.widgets.picture import Picture


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


@pytest.fixture
def browser(root):
    return DatasetBrowser(open_dataset(root))


def shown(browser):
    """Return the picture as uint8 (H, W, 3), RGB."""
    return cv2.imdecode(np.frombuffer(browser.picture.value, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_starts_with_the_first_frame(browser):
    assert browser.split.options == ("train", "val", "test") and browser.split.value == "train"
    assert browser.group.options == ("aachen", "bochum")
    assert browser.frame.stem == "aachen_000000_000019" and "aachen_000000_000019" in browser.status.value
    assert browser.number.max == 2
    expected = overlay(datasets.read_image(browser.frame), datasets.read_label(browser.frame), CITYSCAPES, 0.5)
    calm = [cv2.blur(each, (8, 8)).astype(int) for each in (shown(browser), expected)]  # JPEG blurs noise
    assert np.abs(calm[0] - calm[1]).mean() < 6


def test_every_control_changes_the_picture(browser):
    seen = [browser.picture.value]
    for control, value in [
        (browser.number, 1),
        (browser.group, "bochum"),
        (browser.split, "val"),
        (browser.opacity, 0.9),
        (browser.switches.boxes[CITYSCAPES.index("sky")], False),
        (browser.view, "labels"),
        (browser.view, "image"),
    ]:
        control.value = value
        assert browser.picture.value not in seen, control
        seen.append(browser.picture.value)
    assert browser.frame.stem == "lindau_000000_000019"


def test_split_and_group_reset_the_frame(browser):
    browser.number.value = 2
    browser.group.value = "bochum"
    assert browser.number.value == 0 and browser.number.max == 1 and browser.frame.group == "bochum"
    browser.number.value = 1
    browser.split.value = "val"
    assert browser.frame.stem == "lindau_000000_000019" and browser.group.options == ("lindau",)


def test_labels_are_exact_and_switches_hide_classes(browser):
    browser.view.value = "labels"
    assert browser.picture.format == "png"
    label = datasets.read_label(browser.frame)
    np.testing.assert_array_equal(shown(browser), CITYSCAPES.colorize(label))
    browser.switches.all_off.click()
    assert not shown(browser).any()
    sky = CITYSCAPES.index("sky")
    browser.switches.boxes[sky].value = True
    np.testing.assert_array_equal(shown(browser), np.where((label == sky)[..., None], CITYSCAPES.palette[sky], 0))
    browser.switches.all_on.click()
    np.testing.assert_array_equal(shown(browser), CITYSCAPES.colorize(label))


def test_opacity_zero_is_the_image(browser):
    browser.opacity.value = 0
    plain = browser.picture.value
    browser.view.value = "image"
    assert browser.picture.value == plain


def test_the_class_under_the_pointer(browser):
    # The tiny scene of 64 x 32 pixels: sky on top, the first car at columns 8 to 16 of rows 16 to 20, the hood below.
    assert "Point at" in browser.under.value
    browser.picture.pointer = [0.99, 0.01]
    assert browser.under.value == "<b>sky, train id 10, label id 23, sky</b>"
    browser.picture.clicked = [10.5 / 64, 17.5 / 32, 1]
    browser.picture.pointer = [0.5, 1.0]
    assert browser.under.value == "<b>ego vehicle, ignored, label id 1, void</b>"
    browser.picture.pointer = []  # without a pointer, the last click counts
    assert browser.under.value == "<b>car, train id 13, label id 26, vehicle, instance 26000</b>"
    browser.number.value = 1
    assert "Point at" in browser.under.value


def test_the_pointer_at_the_corners(browser):
    for x in (0.0, 1.0):
        for y in (0.0, 1.0):
            assert browser.class_at(x, y)


def test_test_frames_have_no_labels(browser):
    browser.split.value = "test"
    image = browser.picture.value
    browser.view.value = "labels"
    assert browser.picture.value == image  # no labels to draw
    browser.picture.pointer = [0.5, 0.5]
    assert "no label" in browser.under.value


def test_own_data_with_train_ids_alone(root):
    for kind in ("labelIds", "instanceIds"):
        for path in root.rglob(f"*_gtFine_{kind}.png"):
            path.unlink()
    browser = DatasetBrowser(open_dataset(root))
    assert browser.class_at(0.99, 0.01) == "sky, train id 10, sky"
    assert browser.class_at(0.5, 1.0) == "ignored"


def write_own(root, label):
    """Write one train frame of two classes, without groups, and return the data set."""
    classes = Classes(("<b>cell", "rest"), ((255, 0, 0), (0, 0, 255)), values=(10, 20), ignored=(0,))
    for folder, array in (("images", np.zeros((*label.shape, 3), np.uint8)), ("labels", label)):
        (root / folder / "train").mkdir(parents=True)
        cv2.imwrite(str(root / folder / "train" / "img 1.png"), array)
    return Dataset(root, "cells", classes, "images/{split}/{stem}.*", "labels/{split}/{stem}.png")


def test_own_classes_without_groups(tmp_path):
    browser = DatasetBrowser(write_own(tmp_path, np.uint8([[10, 20, 0]] * 4)))
    assert [browser.class_at(x, 0) for x in (0.1, 0.5, 0.9)] == ["<b>cell, train id 0", "rest, train id 1", "ignored"]
    browser.picture.pointer = [0.1, 0.1]
    assert browser.under.value == "<b>&lt;b&gt;cell, train id 0</b>"
    assert "&lt;b&gt;cell" in browser.switches.boxes[0].description and browser.group.layout.display == "none"
    browser.view.value = "labels"
    assert shown(browser)[0].tolist() == [[255, 0, 0], [0, 0, 255], [0, 0, 0]]


def test_a_damaged_label_is_reported_in_the_widget(tmp_path):
    browser = DatasetBrowser(write_own(tmp_path, np.uint8([[10, 99]])))
    assert "has the value 99" in browser.status.value and browser.class_at(0, 0) == "this frame has no label"


def test_large_frames_are_shrunk_only_for_display(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_browser, "WIDTH", 32)
    browser = DatasetBrowser(open_dataset(write_set(tmp_path, {"val": {"lindau": 1}})))
    assert shown(browser).shape == (16, 32, 3) and browser._train_ids.shape == (32, 64)


def test_folder_without_frames_is_rejected(tmp_path):
    for folder in ("leftImg8bit", "gtFine"):
        (tmp_path / folder).mkdir()
    with pytest.raises(CourseError, match="no frame"):
        DatasetBrowser(open_dataset(tmp_path))


def test_picture_keeps_flat_colours():
    picture = Picture()
    image = np.zeros((4, 6, 3), np.uint8)
    image[1, 2] = (1, 2, 3)
    picture.show(image, "png")
    again = cv2.imdecode(np.frombuffer(picture.value, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(again, image)


def test_other_colours(browser):
    browser.view.value = "labels"
    browser.switches.palette.value = "distinct"
    expected = CITYSCAPES.with_palette("distinct").colorize(datasets.read_label(browser.frame))
    np.testing.assert_array_equal(shown(browser), expected)
    browser.switches.palette.value = "own"
    np.testing.assert_array_equal(shown(browser), CITYSCAPES.colorize(datasets.read_label(browser.frame)))
