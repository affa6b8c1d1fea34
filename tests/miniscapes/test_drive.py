"""A drive: one street, the camera moves, and image and labels move with it."""

import shutil

import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.datasets import open_dataset, read_pair
from helpers.miniscapes import drive
from helpers.miniscapes.camera import Camera
from helpers.miniscapes.drive import MOST_M, _street, images
from helpers.miniscapes.render import arrange

SIZE = (64, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return drive(tmp_path_factory.mktemp("drive") / "drive", 4, SIZE, seed=4, step_m=4.0, workers=1)


def test_frames_are_a_data_set_in_order(folder):
    data = open_dataset(folder)
    frames = data.frames("val")
    names = sorted(path.name for path in images(folder).iterdir())
    assert list(data.existing_splits()) == ["val"]
    assert [frame.image.name for frame in frames] == names and len(names) == 4
    for frame in frames:
        image, label = read_pair(frame)
        assert image.shape == (*SIZE, 3) and label.shape == SIZE
        assert {data.classes.index(name) for name in ("road", "car", "vegetation", "building")} <= set(np.unique(label))


def test_sizes_grow_as_the_camera_comes_closer():
    """At 20 m, 10 m further on: all is twice as far from the vanishing point, which is 0.02 * 2000 = 40 px right."""
    start = Camera(1024, 430, focal_px=2000, offset_m=1.0, yaw=0.02)
    moved = Camera(1024, 430, focal_px=2000, offset_m=1.0, yaw=0.02, travel_m=10.0)
    point = np.array([(4.0, 0.5, 20.0)])
    centre = np.array([1024 + 40, 430])
    np.testing.assert_allclose(moved.project(point) - centre, 2 * (start.project(point) - centre))
    np.testing.assert_allclose(start.project(point) - centre, [(2000 * 3 / 20, 2000 * (1.22 - 0.5) / 20)])
    assert moved.scale(20) == 2 * start.scale(20) and moved.start == start
    # A strip of ground that has been passed is below the frame, and one in front is where a nearer one was.
    assert moved.strip(0, 1, 2, 8)[:, 1].min() > 1024
    np.testing.assert_allclose(moved.strip(0, 1, 15, 30), start.strip(0, 1, 5, 20))


@pytest.mark.parametrize("seed", range(6))
def test_street_is_the_same_wherever_the_camera_is(seed):
    """Every random number is drawn for the same purpose, whatever is visible."""
    plan, attempt = _street(seed, SIZE, "")
    start, _ = arrange(plan, SIZE, attempt)
    state = start.rng.bit_generator.state
    for travel_m in (0.5, 7.0, 25.0, MOST_M):
        scene, _ = arrange(plan, SIZE, attempt, travel_m)
        assert scene.rng.bit_generator.state == state and scene.taken == start.taken


def test_labels_change_only_by_motion(tmp_path):
    still = drive(tmp_path / "still", 2, SIZE, seed=1, step_m=0.0, workers=1)
    (first, label), (second, other) = map(read_pair, open_dataset(still).frames("val"))
    assert (label == other).all() and (first != second).any()  # the noise of the sensor
    slow = drive(tmp_path / "slow", 2, SIZE, seed=1, step_m=0.25, workers=1)
    label, other = (read_pair(frame)[1] for frame in open_dataset(slow).frames("val"))
    assert 0 < (label != other).mean() < 0.08


def test_same_seed_same_drive(folder, tmp_path):
    again = drive(tmp_path / "again", 4, SIZE, seed=4, step_m=4.0, workers=2)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((folder / path).read_bytes() == (again / path).read_bytes() for path in files)
    shutil.rmtree(again)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"frames": 0}, "frames as a whole number"),
        ({"size_hw": (60, 128)}, "multiples of 32"),
        ({"seed": -1}, "seed"),
        ({"frames": 200}, "Expected a drive of at most 60 m, got 200 frames of 0.5 m"),
        ({"step_m": -1.0}, "at most 60 m"),
        ({"weather": "snow"}, "Expected a weather of sunny, .*got 'snow'"),
    ],
)
def test_wrong_arguments(tmp_path, wrong, sentence):
    with pytest.raises(CourseError, match=sentence) as error:
        drive(tmp_path / "x", **{"size_hw": SIZE, **wrong})
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_existing_folder_is_kept(folder):
    with pytest.raises(CourseError, match="exists already"):
        drive(folder, 2, SIZE)
    assert len(list(images(folder).iterdir())) == 4
