"""The label table, against cityscapesScripts."""

import numpy as np
from cityscapesscripts.helpers.labels import name2label, trainId2label
from PIL import Image
from tiny_cityscapes import write_set

from helpers.cityscapes import ANNOTATIONS, CITYSCAPES, id_to_train_id
from helpers.datasets import IGNORE, open_dataset, read_label


def test_classes_are_the_official_ones():
    assert len(CITYSCAPES) == 19 and CITYSCAPES.stored_as_train_ids
    for train_id, name in enumerate(CITYSCAPES.names):
        assert trainId2label[train_id].name == name
        assert CITYSCAPES.colours[train_id] == tuple(CITYSCAPES.palette[train_id]) == name2label[name].color
        assert CITYSCAPES.categories[train_id] == name2label[name].category
        assert (train_id in CITYSCAPES.group("instances")) == name2label[name].hasInstances
    assert CITYSCAPES.category_names == ("flat", "construction", "object", "nature", "sky", "human", "vehicle")


def test_id_to_train_id_by_hand():
    table = id_to_train_id()
    assert table.shape == (256,) and table.dtype == np.uint8
    assert table[[7, 8, 11, 26, 33]].tolist() == [0, 1, 2, 13, 18]
    assert set(table[[0, 1, 4, 5, 9, 10, 14, 29, 30, 77, 255]]) == {IGNORE}  # including caravan and trailer
    assert (table != IGNORE).sum() == 19


def test_train_ids_equal_the_official_conversion(tmp_path):
    frame = open_dataset(write_set(tmp_path)).frames("val")[0]
    label = read_label(frame)
    with Image.open(frame.annotation("labelIds")) as image:
        np.testing.assert_array_equal(id_to_train_id()[np.asarray(image)], label)
    # In the 32 x 64 scene, row 0 is sky, row 20 starts with road, and the bonnet below row 28 is ignored.
    assert (label[0, 0], label[20, 0], label[31, 0]) == (10, 0, IGNORE)


def test_every_annotation_of_the_official_download_is_described(tmp_path):
    frames = open_dataset(write_set(tmp_path)).frames("train")
    assert dict(frames[0].dataset.annotations).keys() == ANNOTATIONS.keys()
    for frame in frames:
        assert frame.annotation("labelTrainIds") == frame.label
        assert all(frame.annotation(kind).is_file() for kind in ANNOTATIONS)
        assert all(frame.annotation(kind).name.endswith(end) for kind, end in ANNOTATIONS.items())
