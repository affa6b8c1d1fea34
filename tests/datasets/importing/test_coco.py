"""Import of COCO annotations; pycocotools is the independent writer of run lengths."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools import mask as official

from helpers.common.errors import CourseError
from helpers.datasets import open_dataset, read_label
from helpers.datasets.importing import coco, import_data
from helpers.datasets.importing.items import NOTHING, Key, Unusable

HEIGHT, WIDTH = 6, 8
SQUARE = [[1, 1, 4, 1, 4, 3, 1, 3]]  # covers x 1 to 3, y 1 to 2: COCO's points are corners of pixels


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (10, 200, 30)).save(path)


def annotation(image_id=1, segmentation=SQUARE, category=3, **more) -> dict:
    return {
        "image_id": image_id,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": 0,
        "area": 6,
        **more,
    }


def content(*annotations, names=("a.jpg", "b.jpg")) -> dict:
    images = [{"id": at, "file_name": name, "height": HEIGHT, "width": WIDTH} for at, name in enumerate(names, 1)]
    categories = [{"id": 3, "name": "car"}, {"id": 7, "name": "tree"}, {"id": 9, "name": "never"}]
    return {"images": images, "annotations": list(annotations), "categories": categories}


def write(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def drawn(*shapes) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return 1 where a car is drawn, 2 for a tree, and the notes."""
    label = coco.Coco(Path("a.json"), (HEIGHT, WIDTH), shapes).draw(HEIGHT, WIDTH)
    number = {NOTHING: 0, Key(name="car"): 1, Key(name="tree"): 2}
    return np.array([number[key] for key in label.keys])[label.pixels], label.notes


def test_polygons_with_several_parts():
    pixels, notes = drawn(("car", [*SQUARE, [6, 4, 8, 4, 8, 6, 6, 6]], False, 10))
    expected = np.zeros((HEIGHT, WIDTH), int)
    expected[1:3, 1:4] = 1
    expected[4:, 6:] = 1
    assert np.array_equal(pixels, expected) and notes == ()


def test_small_objects_lie_on_large_ones_and_crowds_below():
    everything = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}
    for shapes in (
        [("tree", SQUARE, False, 6), ("car", everything, False, 48)],
        [("car", everything, True, 1), ("tree", SQUARE, False, 6)],
    ):
        pixels, _ = drawn(*shapes)
        assert (pixels[1:3, 1:4] == 2).all() and (pixels == 1).sum() == 42


masks = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))


@settings(max_examples=100, deadline=None)
@given(masks)
def test_run_lengths_of_pycocotools(mask):
    text = official.encode(np.asfortranarray(mask))["counts"].decode()
    counts = coco.run_lengths(text, mask.size)
    again = official.decode(official.frPyObjects({"size": list(mask.shape), "counts": counts.tolist()}, *mask.shape))
    assert np.array_equal(again, mask)
    for written in (text, counts.tolist()):
        shape = ("car", {"size": list(mask.shape), "counts": written}, False, 1)
        label = coco.Coco(Path("a.json"), (None, None), (shape,)).draw(*mask.shape)
        assert np.array_equal(label.pixels, mask)


def test_long_runs():
    mask = np.zeros((700, 900), np.uint8)
    mask[13:600, 200:850] = 1
    text = official.encode(np.asfortranarray(mask))["counts"].decode()
    shape = ("car", {"size": [700, 900], "counts": text}, False, 1)
    assert np.array_equal(coco.Coco(Path("a.json"), (700, 900), (shape,)).draw(700, 900).pixels, mask)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=8) | st.lists(st.integers(-9, 99), max_size=4)
)
def test_damaged_run_lengths_are_refused(counts):
    try:
        lengths = coco.run_lengths(counts, 48)
    except Unusable:
        return
    assert lengths.sum() == 48 and (lengths >= 0).all()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["size", "counts"]), inner),
    max_leaves=8,
)
polygon = st.lists(st.floats(-1e9, 1e9) | st.floats(-9, 20), max_size=8)


@settings(max_examples=150, deadline=None)
@given(json_values | st.lists(polygon, max_size=2))
def test_any_segmentation_is_drawn_or_left_out(segmentation):
    pixels, _ = drawn(("car", segmentation, False, 1))
    assert pixels.shape == (HEIGHT, WIDTH)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["images", "annotations", "categories"]), json_values | st.lists(json_values)))
def test_any_file_is_read_or_skipped(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("fuzz") / "a.json"
    path.write_text(json.dumps(value))
    source = coco.read(path)
    assert source.items == [] and source.skipped


def test_what_is_left_out_is_said():
    pixels, notes = drawn(
        ("car", [[1, 1, 3, 3]], False, 1),
        ("car", [[1, 1, 3]], False, 1),
        ("car", [[0, 0, 1e9, 0, 5, 5]], False, 1),
        ("car", {"size": [1, 1], "counts": [1]}, False, 1),
        ("car", {"size": [HEIGHT, WIDTH], "counts": [3, 3]}, False, 1),
        ("tree", [[4, 0, 20, 0, 20, 6, 4, 6]], False, 1),
    )
    assert (pixels[:, 4:] == 2).all() and (pixels[:, :4] == 0).all()
    assert notes == (
        "RLE that covers 6 pixels instead of 48, left out: 1",
        "RLE that has the size [1, 1] instead of [6, 8], left out: 1",
        "polygons of fewer than 3 points, left out: 1",
        "polygons that reach over the edge of the image, clipped: 1",
        "polygons whose points are not pairs of numbers, left out: 1",
        "polygons with points far outside the image, left out: 1",
    )


def test_layout_of_coco(tmp_path):
    """annotations/instances_train2017.json with train2017/, where both splits have an image of the same name."""
    for split in ("train", "val"):
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            image(tmp_path / "in" / f"{split}2017" / name)
        shapes = annotation(), annotation(2, [[0, 0, 8, 0, 8, 6, 0, 6]], 7, area=48)
        write(tmp_path / "in" / "annotations" / f"instances_{split}2017.json", content(*shapes))
        write(tmp_path / "in" / "annotations" / f"captions_{split}2017.json", content(annotation(segmentation=[])))
    done = import_data(tmp_path / "in", tmp_path / "out")
    data = open_dataset(tmp_path / "out")
    assert done.counts == {"train": 2, "val": 2} and data.classes.names == ("background", "car", "tree")
    frames = data.frames("val")
    assert read_label(frames[0])[2, 2] == 1 and (read_label(frames[1]) == 2).all()
    reasons = sorted((Path(each.file).name, each.reason[:19]) for each in done.skipped)
    assert reasons == [
        ("c.jpg", "has no annotations"),
        ("c.jpg", "has no annotations"),
        ("captions_train2017.json", "has no segmentation"),
        ("captions_val2017.json", "has no segmentation"),
    ]


def test_layout_of_roboflow(tmp_path):
    for split in ("train", "valid"):
        image(tmp_path / "in" / split / "a.jpg")
        write(tmp_path / "in" / split / "_annotations.coco.json", content(annotation(), names=("a.jpg",)))
    done = import_data(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"train": 1, "val": 1} and not done.skipped
    stems = {frame.stem for split in ("train", "val") for frame in done.dataset.frames(split)}
    assert len(stems) == 2  # both are called a


def test_one_file_with_images_elsewhere(tmp_path):
    for name in "ab":
        image(tmp_path / "pictures" / "deep" / f"{name}.jpg")
    write(tmp_path / "labels.json", content(annotation(), annotation(2), annotation(8), annotation(1, category=55)))
    done = import_data(tmp_path / "labels.json", tmp_path / "out", images=tmp_path / "pictures", background="rest")
    assert done.counts == {"train": 1, "val": 1} and done.pixels == {"rest": 84, "car": 12, "ignored": 0}
    assert any("annotations of a category that is not listed, left out: 1" in note for note in done.notes)


def test_sentences(tmp_path):
    image(tmp_path / "in" / "a.jpg")
    write(tmp_path / "in" / "x.json", content(annotation(), annotation(2)))
    (tmp_path / "broken.json").write_text('{"images": [1,')
    with pytest.raises(CourseError, match="broken.json is not valid JSON"):
        import_data(tmp_path / "broken.json", tmp_path / "out")
    with pytest.raises(CourseError, match="at least two frames"):
        import_data(tmp_path / "in", tmp_path / "out")
    assert coco.read(tmp_path / "in").skipped[0].reason == "names the image 'b.jpg', which is not found"
