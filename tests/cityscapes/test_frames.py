"""Label table, frame index and reading: on small folders and against cityscapesScripts."""

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import name2label, trainId2label
from PIL import Image
from tiny_cityscapes import write_set

from helpers import cityscapes
from helpers.cityscapes import CLASSES, IGNORE, PALETTE
from helpers.common.errors import CourseError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)
    return write_set(tmp_path / "set")


def test_label_table_is_the_official_one():
    assert len(CLASSES) == 19 and CLASSES[0] == "road" and CLASSES[18] == "bicycle"
    for train_id, name in enumerate(CLASSES):
        assert trainId2label[train_id].name == name
        assert tuple(PALETTE[train_id]) == name2label[name].color
    assert [CLASSES[i] for i in cityscapes.INSTANCE_CLASSES] == [
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    ]


def test_id_to_train_id_by_hand():
    table = cityscapes.id_to_train_id()
    assert table.shape == (256,) and table.dtype == np.uint8
    assert table[[7, 8, 11, 26, 33]].tolist() == [0, 1, 2, 13, 18]
    assert set(table[[0, 1, 4, 5, 9, 10, 14, 29, 30, 77, 255]]) == {IGNORE}  # including caravan and trailer
    assert (table != IGNORE).sum() == 19


def test_colorize_by_hand():
    assert cityscapes.colorize(np.array([[0, 13, 255]])).tolist() == [[[128, 64, 128], [0, 0, 142], [0, 0, 0]]]


def test_index_matches_by_stem(root):
    frames = cityscapes.index(root, "train")
    assert [frame.stem for frame in frames][:2] == ["aachen_000000_000019", "aachen_000001_000019"]
    assert len(frames) == 5 and {frame.city for frame in frames} == {"aachen", "bochum"}
    for frame in frames:
        assert frame.image.name.startswith(frame.stem) and frame.label.name.startswith(frame.stem)
        assert all(frame.annotation(kind).is_file() for kind in cityscapes.ANNOTATIONS)
    assert len(cityscapes.index(root, "test")) == 1  # needs no labels


def test_train_ids_equal_the_official_conversion(root):
    frame = cityscapes.index(root, "val")[0]
    label = cityscapes.read_label(frame)
    with Image.open(frame.annotation("labelIds")) as image:
        np.testing.assert_array_equal(cityscapes.id_to_train_id()[np.asarray(image)], label)
    # In the 32 x 64 scene, row 0 is sky, row 20 starts with road, and the bonnet below row 28 is ignored.
    assert (label[0, 0], label[20, 0], label[31, 0]) == (10, 0, IGNORE)


def test_class_pixels_counts_by_hand(root):
    for frame in cityscapes.index(root, "val"):
        Image.fromarray(np.repeat(np.uint8([[0, 0, 13, 255]]), 2, axis=0)).save(frame.label)
    counts = cityscapes.class_pixels(cityscapes.index(root, "val"))
    assert counts.sum() == 12 and counts[0] == 8 and counts[13] == 4


def test_read_image_is_rgb(root):
    frame = cityscapes.index(root, "train")[0]
    Image.new("RGB", (3, 2), (255, 0, 7)).save(frame.image)
    image = cityscapes.read_image(frame)
    assert image.shape == (2, 3, 3) and image.dtype == np.uint8 and image[0, 0].tolist() == [255, 0, 7]


def rejects(words, call, *args):
    with pytest.raises(CourseError) as caught:
        call(*args)
    text = str(caught.value)
    assert all(word in text for word in words), text


def test_find_root_prefers_argument_then_environment(root, tmp_path, monkeypatch):
    assert cityscapes.find_root(root, tmp_path / "no") == root
    assert cityscapes.find_root("", root) == root
    monkeypatch.setenv("CITYSCAPES_DATASET", str(root))
    assert cityscapes.find_root("", tmp_path / "no") == root


def test_splits_that_have_frames(root):
    assert cityscapes.splits(root) == ["train", "val", "test"]
    for image in (root / "leftImg8bit" / "test").rglob("*.png"):
        image.unlink()
    assert cityscapes.splits(root) == ["train", "val"]


def test_find_root_bad_input(root, tmp_path):
    rejects(["No data at", "nowhere", "DATA_ROOT"], cityscapes.find_root, tmp_path / "nowhere", root)
    rejects(["layout", "train", "leftImg8bit and gtFine missing"], cityscapes.find_root, root / "gtFine", root)
    (root / ".prepare-unfinished").touch()
    rejects(["interrupted", "prepare"], cityscapes.find_root, root, root)
    rejects(["interrupted", "prepare"], cityscapes.index, root, "train")


def test_index_bad_input(root):
    rejects(["'dev'", "train, val or test"], cityscapes.index, root, "dev")
    frame = cityscapes.index(root, "train")[2]
    frame.label.unlink()
    rejects([frame.image.name, frame.label.name, "1 of 5", "prepare"], cityscapes.index, root, "train")
    (root / "leftImg8bit" / "val" / "munster").mkdir()
    rejects(["munster", "empty city folder"], cityscapes.index, root, "val")
    (root / "leftImg8bit" / "test").rename(root / "leftImg8bit" / "tset")
    rejects(["No frames under", "prepare"], cityscapes.index, root, "test")


def test_index_rejects_duplicate_stems(root):
    frame = cityscapes.index(root, "train")[0]
    (root / "leftImg8bit" / "train" / "bochum" / frame.image.name).write_bytes(frame.image.read_bytes())
    rejects([frame.stem, "aachen and bochum"], cityscapes.index, root, "train")


@pytest.mark.parametrize(
    "image, words",
    [
        (Image.fromarray(np.full((4, 4), 3, np.uint16)), ["16-bit grey"]),
        (Image.new("P", (4, 4)), ["paletted"]),
        (Image.new("RGB", (4, 4)), ["8-bit RGB"]),
        (Image.new("L", (4, 4), 77), ["value 77", "16 pixels", "label ids"]),
    ],
)
def test_read_label_rejects(root, image, words):
    frame = cityscapes.index(root, "train")[0]
    image.save(frame.label)
    rejects([frame.label.name, *words], cityscapes.read_label, frame)


@pytest.mark.parametrize("kind", ["image", "label"])
def test_damaged_or_missing_files(root, kind):
    frame = cityscapes.index(root, "train")[0]
    read, path = (cityscapes.read_image, frame.image) if kind == "image" else (cityscapes.read_label, frame.label)
    intact = path.read_bytes()
    for data, words in [
        (intact[:-20], "truncated"),
        (intact[:40], "truncated"),
        (intact[:60] + bytes(20) + intact[80:], "damaged"),
        (b"<html>not an image</html>" * 9, "not a PNG"),
        (b"", "empty"),
    ]:
        path.write_bytes(data)
        rejects([path.name, words], read, frame)
    path.unlink()
    rejects([path.name, "is missing"], read, frame)
