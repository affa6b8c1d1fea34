"""Label table, frame index and reading: on small folders and against cityscapesScripts."""

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import name2label, trainId2label
from PIL import Image
from tiny_cityscapes import write_set

from helpers import cityscapes, datasets
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, find_dataset, open_dataset
from helpers.datasets.dataset import COMMAND, UNFINISHED


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)
    return write_set(tmp_path / "set")


def test_label_table_is_the_official_one():
    assert len(CITYSCAPES) == 19 and CITYSCAPES.names[0] == "road" and CITYSCAPES.names[18] == "bicycle"
    for train_id, name in enumerate(CITYSCAPES.names):
        assert trainId2label[train_id].name == name
        assert CITYSCAPES.colours[train_id] == tuple(CITYSCAPES.palette[train_id]) == name2label[name].color
        assert CITYSCAPES.categories[train_id] == name2label[name].category
        assert (train_id in CITYSCAPES.group("instances")) == name2label[name].hasInstances


def test_id_to_train_id_by_hand():
    table = cityscapes.id_to_train_id()
    assert table.shape == (256,) and table.dtype == np.uint8
    assert table[[7, 8, 11, 26, 33]].tolist() == [0, 1, 2, 13, 18]
    assert set(table[[0, 1, 4, 5, 9, 10, 14, 29, 30, 77, 255]]) == {IGNORE}  # including caravan and trailer
    assert (table != IGNORE).sum() == 19


def test_colorize_by_hand():
    assert CITYSCAPES.colorize(np.array([[0, 13, 255]])).tolist() == [[[128, 64, 128], [0, 0, 142], [0, 0, 0]]]


def test_index_matches_by_stem(root):
    frames = open_dataset(root).frames("train")
    assert [frame.stem for frame in frames][:2] == ["aachen_000000_000019", "aachen_000001_000019"]
    assert len(frames) == 5 and {frame.group for frame in frames} == {"aachen", "bochum"}
    for frame in frames:
        assert frame.image.name.startswith(frame.stem) and frame.label.name.startswith(frame.stem)
        assert all(frame.annotation(kind).is_file() for kind in cityscapes.ANNOTATIONS)
    assert len(open_dataset(root).frames("test")) == 1  # needs no labels


def test_train_ids_equal_the_official_conversion(root):
    frame = open_dataset(root).frames("val")[0]
    label = datasets.read_label(frame)
    with Image.open(frame.annotation("labelIds")) as image:
        np.testing.assert_array_equal(cityscapes.id_to_train_id()[np.asarray(image)], label)
    # In the 32 x 64 scene, row 0 is sky, row 20 starts with road, and the bonnet below row 28 is ignored.
    assert (label[0, 0], label[20, 0], label[31, 0]) == (10, 0, IGNORE)


def test_class_pixels_counts_by_hand(root):
    for frame in open_dataset(root).frames("val"):
        Image.fromarray(np.repeat(np.uint8([[0, 0, 13, 255]]), 2, axis=0)).save(frame.label)
    counts = datasets.class_pixels(open_dataset(root).frames("val"))
    assert counts.sum() == 12 and counts[0] == 8 and counts[13] == 4


def test_read_image_is_rgb(root):
    frame = open_dataset(root).frames("train")[0]
    Image.new("RGB", (3, 2), (255, 0, 7)).save(frame.image)
    image = datasets.read_image(frame)
    assert image.shape == (2, 3, 3) and image.dtype == np.uint8 and image[0, 0].tolist() == [255, 0, 7]


def rejects(words, call, *args):
    with pytest.raises(CourseError) as caught:
        call(*args)
    text = str(caught.value)
    assert all(word in text for word in words), text


def test_find_dataset_prefers_argument_then_environment(root, tmp_path, monkeypatch):
    assert find_dataset(root, tmp_path / "no").root == root
    assert find_dataset("", root).root == root
    monkeypatch.setenv("CITYSCAPES_DATASET", str(root))
    assert find_dataset("", tmp_path / "no").root == root


def test_splits_that_have_frames(root):
    assert open_dataset(root).existing_splits() == ["train", "val", "test"]
    for image in (root / "leftImg8bit" / "test").rglob("*.png"):
        image.unlink()
    assert open_dataset(root).existing_splits() == ["train", "val"]


def test_find_dataset_bad_input(root, tmp_path):
    rejects(["No data at", "nowhere", "DATA_ROOT"], find_dataset, tmp_path / "nowhere", root)
    rejects(["layout", "train", "leftImg8bit and gtFine missing", "import"], find_dataset, root / "gtFine", root)
    data = open_dataset(root)
    (root / UNFINISHED).mkdir()
    rejects(["interrupted", "run the command again"], open_dataset, root)
    (root / UNFINISHED / COMMAND).write_text("python -m helpers.cityscapes prepare x\n")
    rejects(["interrupted", "run `python -m helpers.cityscapes prepare x` again"], open_dataset, root)
    rejects(["interrupted"], data.frames, "train")


def test_index_bad_input(root):
    rejects(["'dev'", "train, val or test"], open_dataset(root).frames, "dev")
    frame = open_dataset(root).frames("train")[2]
    frame.label.unlink()
    rejects([frame.image.name, frame.label.name, "1 of 5", "prepare"], open_dataset(root).frames, "train")
    (root / "leftImg8bit" / "test").rename(root / "leftImg8bit" / "tset")
    rejects(["No test frames in", "leftImg8bit/test/<group>/<stem>_leftImg8bit.png"], open_dataset(root).frames, "test")


def test_index_rejects_duplicate_stems(root):
    frame = open_dataset(root).frames("train")[0]
    (root / "leftImg8bit" / "train" / "bochum" / frame.image.name).write_bytes(frame.image.read_bytes())
    rejects([frame.stem, "train/aachen/", " and ", "train/bochum/"], open_dataset(root).frames, "train")


@pytest.mark.parametrize(
    "image, words",
    [
        (Image.fromarray(np.full((4, 4), 3, np.uint16)), ["16-bit grey"]),
        (Image.new("RGB", (4, 4)), ["8-bit RGB"]),
        (Image.new("L", (4, 4), 77), ["value 77", "16 pixels", "label ids"]),
    ],
)
def test_read_label_rejects(root, image, words):
    frame = open_dataset(root).frames("train")[0]
    image.save(frame.label)
    rejects([frame.label.name, *words], datasets.read_label, frame)


@pytest.mark.parametrize("kind", ["image", "label"])
def test_damaged_or_missing_files(root, kind):
    frame = open_dataset(root).frames("train")[0]
    read, path = (datasets.read_image, frame.image) if kind == "image" else (datasets.read_label, frame.label)
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
