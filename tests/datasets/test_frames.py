"""Reading images and labels of any data set."""

import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_cityscapes import write_set

from helpers.common.errors import CourseError
from helpers.datasets import Classes, Dataset, class_pixels, open_dataset, read_image, read_label, read_pair

COLOURS = ((90, 60, 30), (0, 200, 0), (9, 9, 9))


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


def frame_of(root, label, *, image="RGB", suffix="png", values=(), ignored=(255,)):
    """Write a data set of one frame with three classes and return the frame."""
    classes = Classes(("soil", "leaf", "pest"), COLOURS, values=values, ignored=ignored)
    data = Dataset(root, "leaves", classes, "images/{split}/{stem}.*", "labels/{split}/{stem}.png")
    for half in ("images", "labels"):
        (root / half / "train").mkdir(parents=True, exist_ok=True)
    label = label if isinstance(label, Image.Image) else Image.fromarray(np.uint8(label))
    label.save(root / "labels/train/a.png")
    Image.new(image, label.size, 200).save(root / f"images/train/a.{suffix}")
    return data.frames("train")[0]


def paletted(indices, bits=8):
    image = Image.fromarray(np.uint8(indices), "P")
    image.putpalette([value for colour in COLOURS for value in colour])
    data = io.BytesIO()
    image.save(data, "PNG", bits=bits)
    return Image.open(io.BytesIO(data.getvalue()))


def rejects(words, call, *args):
    with pytest.raises(CourseError) as caught:
        call(*args)
    text = str(caught.value)
    assert all(word in text for word in words) and "\n" not in text, text


def test_values_become_train_ids(tmp_path):
    label = read_label(frame_of(tmp_path, [[7, 0, 3], [200, 7, 255]], values=(7, 200, 3), ignored=(0, 255)))
    assert label.dtype == np.uint8 and label.tolist() == [[0, 255, 2], [1, 0, 255]]


@pytest.mark.parametrize("bits", [2, 8])
def test_paletted_labels_are_read_as_indices(tmp_path, bits):
    frame = frame_of(tmp_path, [[0, 0]])
    image = Image.fromarray(np.uint8([[0, 1, 2], [2, 1, 0]]), "P")
    image.putpalette([value for colour in COLOURS for value in colour])
    image.save(frame.label, bits=bits)
    assert read_label(frame).tolist() == [[0, 1, 2], [2, 1, 0]]


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "PNG", "bmp", "webp", "tif"])
def test_images_of_any_format_are_rgb(tmp_path, suffix):
    frame = frame_of(tmp_path, np.zeros((3, 5)), suffix=suffix)
    Image.new("RGB", (5, 3), (250, 10, 10)).save(frame.image)
    image = read_image(frame)
    assert image.shape == (3, 5, 3) and image.dtype == np.uint8
    np.testing.assert_allclose(image[1, 1], [250, 10, 10], atol=4)


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_grey_and_transparent_images_have_three_channels(tmp_path, mode):
    frame = frame_of(tmp_path, np.zeros((3, 5)))
    Image.new(mode, (5, 3)).save(frame.image)
    assert read_image(frame).shape == (3, 5, 3) and read_image(frame).dtype == np.uint8


def test_pairs_of_several_sizes_and_of_different_sizes(tmp_path):
    for size in ((360, 480), (1, 1), (7, 1000)):
        image, label = read_pair(frame_of(tmp_path, np.ones(size)))
        assert image.shape == (*size, 3) and label.shape == size
    frame = frame_of(tmp_path, np.zeros((3, 5)))
    Image.new("RGB", (3, 5)).save(frame.image)
    rejects([str(frame.label), "5 x 3 pixels", "its image has 3 x 5"], read_pair, frame)


def test_class_pixels_by_hand(tmp_path):
    frame = frame_of(tmp_path, [[9, 9, 1], [0, 9, 255]], values=(9, 1, 4), ignored=(0, 255))
    assert class_pixels([frame, frame]).tolist() == [6, 2, 0]
    rejects(["at least one frame"], class_pixels, [])


@pytest.mark.parametrize(
    "label, words",
    [
        (Image.fromarray(np.full((4, 4), 3, np.uint16)), ["16-bit grey", "8-bit grey or paletted"]),
        (Image.new("RGB", (4, 4)), ["8-bit RGB", "8-bit grey or paletted"]),
        (Image.new("LA", (4, 4)), ["grey with alpha"]),
        (Image.new("1", (4, 4)), ["1-bit grey"]),
        (
            Image.new("L", (4, 4), 77),
            ["77 in 16 of 16 pixels", "leaves (0 to 2, or 255", "dataset.toml"],
        ),
        (paletted([[0, 1], [2, 5]]), ["value 5 in 1 of 4"]),
    ],
)
def test_labels_that_are_rejected(tmp_path, label, words):
    frame = frame_of(tmp_path, label)
    rejects([str(frame.label), *words], read_label, frame)


def test_known_values_are_listed(tmp_path):
    frame = frame_of(tmp_path, [[1]], values=(7, 3, 200), ignored=())
    rejects(["value 1", "(3, 7, 200)"], read_label, frame)


def test_label_ids_of_cityscapes_are_suspected(root):
    frame = open_dataset(root).frames("train")[0]
    frame.label.write_bytes(frame.annotation("labelIds").read_bytes())
    rejects([str(frame.label), "may contain label ids", "prepare"], read_label, frame)


@pytest.mark.parametrize("kind", ["image", "label", "jpg"])
def test_damaged_or_missing_files(tmp_path, kind):
    rng = np.random.default_rng(0)
    frame = frame_of(tmp_path, rng.integers(0, 3, (40, 40)), suffix="jpg" if kind == "jpg" else "png")
    if kind != "label":
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(frame.image)
    read, path = (read_label, frame.label) if kind == "label" else (read_image, frame.image)
    intact = path.read_bytes()
    for data in (intact[:-200], intact[:40], b"<html>not an image</html>" * 9, b""):
        path.write_bytes(data)
        rejects([str(path)], read, frame)
    path.unlink()
    rejects([str(path)], read, frame)
    path.mkdir()
    rejects([str(path)], read, frame)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_damage_of_a_label_is_a_label_or_a_sentence(tmp_path_factory, data):
    frame = frame_of(tmp_path_factory.mktemp("set"), [[0]])
    source = data.draw(st.sampled_from([paletted(np.eye(20) * 2), Image.fromarray(np.uint8(np.eye(20)))]))
    source.save(frame.label)
    content = bytearray(frame.label.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    frame.label.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        label = read_label(frame)
        assert label.dtype == np.uint8 and label.ndim == 2 and set(np.unique(label)) <= {0, 1, 2, 255}
    except CourseError as error:
        assert str(frame.label) in str(error) and "\n" not in str(error)


def test_a_header_that_states_a_huge_size(tmp_path):
    frame = frame_of(tmp_path, [[0, 1]])
    content = bytearray(frame.label.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2

    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    frame.label.write_bytes(content)
    rejects([str(frame.label), "cannot be decoded"], read_label, frame)


def test_labels_stay_as_they_are_if_they_hold_train_ids(tmp_path):
    frame = frame_of(tmp_path, [[0, 1, 2, 255]])
    assert read_label(frame).tolist() == [[0, 1, 2, 255]]
    renamed = replace(frame, dataset=replace(frame.dataset, classes=replace(frame.dataset.classes, values=(2, 1, 0))))
    assert read_label(renamed).tolist() == [[2, 1, 0, 255]]
