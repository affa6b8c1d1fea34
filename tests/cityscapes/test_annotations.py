"""All five annotations, read from files or derived from the train ids."""

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import polygons, write_set

from helpers import cityscapes, datasets
from helpers.cityscapes.annotations import outline, read_annotations, to_label_ids
from helpers.cityscapes.labels import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset


@pytest.fixture
def frame(tmp_path):
    return open_dataset(write_set(tmp_path)).frames("val")[0]


def test_annotations_equal_the_files(frame):
    found = read_annotations(frame)
    with Image.open(frame.annotation("color")) as image:
        np.testing.assert_array_equal(found.color, np.asarray(image)[..., :3])
    for kind, pixels in (("labelIds", found.label_ids), ("instanceIds", found.instance_ids)):
        with Image.open(frame.annotation(kind)) as image:
            np.testing.assert_array_equal(pixels, np.asarray(image))
    np.testing.assert_array_equal(found.train_ids, datasets.read_label(frame))
    assert found.polygons == polygons(32, 64)


def test_missing_annotations_are_derived_from_train_ids(frame):
    for kind in ("color", "labelIds", "instanceIds", "polygons"):
        frame.annotation(kind).unlink()
    found = read_annotations(frame)
    np.testing.assert_array_equal(found.color, CITYSCAPES.colorize(found.train_ids))
    np.testing.assert_array_equal(cityscapes.id_to_train_id()[found.label_ids], found.train_ids)
    assert found.instance_ids.dtype == np.uint16 and found.instance_ids.max() < 1000
    assert found.polygons["objects"][0]["label"] in ("road", "sky")
    assert {each["label"] for each in found.polygons["objects"]} >= {"road", "sky", "building", "car", "person"}


def test_to_label_ids_by_hand():
    assert to_label_ids(np.uint8([[0, 13, 18, 255]])).tolist() == [[7, 26, 33, 0]]


def test_drawing_the_outlines_restores_the_labels():
    label = np.zeros((20, 30), np.uint8)
    label[5:10, 5:15] = 13
    label[12:18, 20:28] = 11
    drawn = np.full_like(label, 255)
    for each in outline(label, CITYSCAPES)["objects"]:
        cv2.fillPoly(drawn, [np.int32(each["polygon"])], CITYSCAPES.index(each["label"]))
    np.testing.assert_array_equal(drawn, label)


def test_error_names_the_damaged_file(frame):
    frame.annotation("color").write_bytes(b"not an image")
    with pytest.raises(CourseError, match="color.png is not a PNG"):
        read_annotations(frame)
