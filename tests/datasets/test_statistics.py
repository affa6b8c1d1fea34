"""Statistics of small maps computed by hand, and regions against scipy.ndimage."""

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage
from tiny_cityscapes import write_set

from helpers import datasets
from helpers.cityscapes.labels import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.datasets import scan as module
from helpers.datasets.regions import connected_regions, runs
from helpers.datasets.scan import content_key, scan
from helpers.datasets.statistics import HEIGHT_BANDS, Statistics, region_edges, tally

CAR, PERSON, ROAD, SKY = (CITYSCAPES.index(name) for name in ("car", "person", "road", "sky"))


def regions_of(label_map):
    starts = runs(label_map)
    values, areas = connected_regions(starts, label_map.ravel()[starts], label_map.shape)
    return sorted(zip(values.tolist(), areas.tolist(), strict=True))


def regions_by_scipy(label_map):
    found = []
    for value in np.unique(label_map):
        numbered, count = ndimage.label(label_map == value, structure=np.ones((3, 3)))
        found += [(int(value), int(area)) for area in np.bincount(numbered.ravel())[1 : count + 1]]
    return sorted(found)


def test_regions_by_hand():
    label_map = np.uint8(
        [
            [1, 1, 2, 1],
            [2, 1, 1, 2],
            [2, 2, 1, 1],
        ]
    )
    # The 1 at (0, 3) touches the other ones only at a corner, (1, 2); the twos at (0, 2) and (1, 3) also do.
    assert regions_of(label_map) == [(1, 7), (2, 2), (2, 3)]


def test_corners_do_not_join_across_the_image_border():
    # The last pixel of a row and the first pixel of the next row are neighbours only in memory.
    assert regions_of(np.uint8([[0, 0, 5], [5, 0, 0]])) == [(0, 4), (5, 1), (5, 1)]
    assert regions_of(np.uint8([[0, 0, 5], [0, 0, 0], [5, 0, 0]])) == [(0, 7), (5, 1), (5, 1)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2)])
def test_regions_of_one_value(shape):
    assert regions_of(np.full(shape, 255, np.uint8)) == [(255, shape[0] * shape[1])]


@settings(deadline=None, max_examples=150)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)))
def test_regions_against_scipy(label_map):
    assert regions_of(label_map) == regions_by_scipy(label_map)


def test_regions_of_a_street_against_scipy():
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=(19, 96, 160)), (0, 2, 3))
    label_map = noise.argmax(axis=0).astype(np.uint8)
    assert regions_of(label_map) == regions_by_scipy(label_map)


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


def test_one_frame_by_hand(root):
    frame = open_dataset(root).frames("val")[0]
    image = np.zeros((4, 6, 3), np.uint8)
    image[:2] = (255, 0, 51)
    label = np.uint8([[10, 10, 10, 13, 13, 255], [10, 10, 10, 13, 13, 255], [0, 0, 0, 0, 13, 0], [0] * 6])
    instances = np.uint16([[23, 23, 23, 26000, 26000, 3], [23, 23, 23, 26007, 26007, 3], [7, 7, 7, 7, 26, 7], [7] * 6])
    for path, pixels in ((frame.image, image), (frame.label, label), (frame.annotation("instanceIds"), instances)):
        Image.fromarray(pixels).save(path)
    result = tally(frame)
    assert (result.frames, result.ignored, result.image_pixels) == (1, 2, 24)
    assert dict(result.groups) == {"val/lindau": 1} and dict(result.sizes) == {"6 x 4": 1}
    assert {i: n for i, n in enumerate(result.pixels) if n} == {ROAD: 11, SKY: 6, CAR: 5}
    assert result.class_share[SKY] == 6 / 22 and result.class_share.sum() == pytest.approx(1)
    assert {i: n for i, n in enumerate(result.instances) if n} == {CAR: 2}  # 26 is a group, not an instance
    # Four rows in 64 bands: row r is in band 16 r.
    assert {(b, c): n for (b, c), n in np.ndenumerate(result.heights) if n} == {
        (0, SKY): 3, (16, SKY): 3, (0, CAR): 2, (16, CAR): 2, (32, CAR): 1, (32, ROAD): 5, (48, ROAD): 6,
    }  # fmt: skip
    assert {c: n for c, n in enumerate(result.region_sizes.sum(axis=1)) if n} == {ROAD: 1, SKY: 1, CAR: 1}
    assert result.typical_region(CAR) == pytest.approx(5, rel=0.2) and np.isnan(result.typical_region(PERSON))
    np.testing.assert_allclose(result.image_mean, [0.5, 0, 0.1])
    np.testing.assert_allclose(result.image_std, [0.5, 0, 0.1])


def test_data_set_against_numpy(root):
    frames = open_dataset(root).frames("train")
    result = scan(frames, cache=None)
    images = np.stack([datasets.read_image(frame) for frame in frames]) / 255
    labels = np.stack([datasets.read_label(frame) for frame in frames])
    np.testing.assert_array_equal(result.pixels, datasets.class_pixels(frames))
    assert result.ignored == (labels == 255).sum()
    np.testing.assert_allclose(result.image_mean, images.mean(axis=(0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(result.image_std, images.std(axis=(0, 1, 2)), atol=1e-6)
    assert dict(result.groups) == {"train/aachen": 3, "train/bochum": 2}
    np.testing.assert_array_equal(result.class_frames, [(labels == c).any(axis=(1, 2)).sum() for c in range(19)])
    assert result.instances_per_frame[CAR] == 2 and result.instances_per_frame[PERSON] == 0  # the people are a group
    np.testing.assert_array_equal(result.heights.sum(axis=0), result.pixels)
    rows = np.arange(32) * HEIGHT_BANDS // 32
    np.testing.assert_array_equal(result.heights[rows, SKY], (labels == SKY).sum(axis=(0, 2)))


def test_typical_region_is_weighted_by_area():
    result = Statistics.empty(19)
    result.region_sizes[CAR, 0] = 1000  # a thousand of 1 pixel
    result.region_sizes[CAR, 40] = 1  # one of 1024
    result.region_sizes[CAR, 48] = 1  # one of 4096
    assert [result.typical_region(CAR, share) for share in (0.05, 0.2, 0.9)] == [1, 1024, 4096]


def test_region_size_bins():
    edges = region_edges()
    assert edges[0] == 1 and edges[4] == 2 and edges[40] == 1024
    for area in (1, 2, 3, 4, 8, 1023, 1024, 1025, 2**21):
        bins = int(np.floor(np.log2(area) * 4 + 1e-9))
        assert edges[bins] <= area * (1 + 1e-9) and area < edges[bins + 1]


def test_result_does_not_depend_on_the_number_of_processes(root):
    frames = open_dataset(root).frames("train") * 8
    one, two = scan(frames, workers=1, cache=None), scan(frames, workers=2, cache=None)
    assert one.to_json() == two.to_json() and one.frames == 40


def test_json_round_trip(root):
    result = scan(open_dataset(root).frames("val"), cache=None)
    again = Statistics.from_json(result.to_json())
    for each in dataclasses.fields(Statistics):
        np.testing.assert_equal(getattr(again, each.name), getattr(result, each.name))


def test_cache_depends_on_content(root, tmp_path, monkeypatch):
    frames, cache = open_dataset(root).frames("val"), tmp_path / "cache"
    counted = []
    real = module.tally
    monkeypatch.setattr(module, "tally", lambda frame: counted.append(frame) or real(frame))
    first = scan(frames, cache=cache)
    assert len(counted) == 2
    os.utime(frames[0].image)  # touched, but not changed
    assert scan(frames, cache=cache).to_json() == first.to_json() and len(counted) == 2
    label = datasets.read_label(frames[0])
    label[0, 0] = CAR  # one pixel; the file size may remain the same
    Image.fromarray(label).save(frames[0].label)
    assert scan(frames, cache=cache).pixels[CAR] == first.pixels[CAR] + 1 and len(counted) == 4


def test_cache_key_depends_on_every_file(root):
    frames = open_dataset(root).frames("val")
    keys = {content_key(frames), content_key(frames[:1]), content_key(frames[::-1])}
    for path in (frames[0].image, frames[0].label, frames[0].annotation("instanceIds")):
        with Image.open(path) as image:
            pixels = np.array(image)
        pixels[0, 0] = pixels[0, 0] + 1
        Image.fromarray(pixels).save(path)
        keys.add(content_key(frames))
    frames[0].annotation("instanceIds").unlink()
    keys.add(content_key(frames))
    assert len(keys) == 7


@pytest.mark.parametrize("text", ["", "{}", '{"frames": "many"}'])
def test_damaged_cache_is_ignored(root, tmp_path, text):
    frames = open_dataset(root).frames("val")
    first = scan(frames, cache=tmp_path)
    (cached,) = tmp_path.glob("*.json")
    cached.write_text(text)
    assert scan(frames, cache=tmp_path).to_json() == first.to_json()


def test_read_only_cache(root, monkeypatch, tmp_path):
    def denied(path, value):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "write_json", denied)
    assert scan(open_dataset(root).frames("val"), cache=tmp_path).frames == 2
    assert not list(tmp_path.glob("*.json"))


def test_frames_without_instance_ids(root):
    frames = open_dataset(root).frames("val")
    frames[0].annotation("instanceIds").unlink()
    result = scan(frames, cache=None)
    assert (result.frames, result.instance_frames) == (2, 1) and result.instances_per_frame[CAR] == 2


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda f: Image.new("L", (64, 33)).save(f.label), "64 x 33 pixels, but its image has 64 x 32"),
        (lambda f: Image.fromarray(np.zeros((32, 64), np.uint16)).save(f.label), "16-bit grey"),
        (lambda f: Image.new("L", (64, 32), 77).save(f.label), "value 77"),
        (lambda f: f.image.write_bytes(f.image.read_bytes()[:-30]), "truncated"),
        (lambda f: f.label.unlink(), "is missing"),
    ],
)
def test_bad_frames(root, change, words):
    frame = open_dataset(root).frames("val")[0]
    change(frame)
    with pytest.raises(CourseError, match="lindau_000000") as caught:
        scan([frame], cache=None)
    assert words in str(caught.value)
    with pytest.raises(CourseError, match="empty list"):
        scan([], cache=None)
