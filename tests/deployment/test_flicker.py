"""Flicker of labels along the motion of the camera, by hand and at its limits."""

import cv2
import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.deployment.flicker import Flicker, flicker, per_frame


def texture(hw=(64, 128), seed=0) -> np.ndarray:
    grain = np.random.default_rng(seed).integers(0, 256, (*hw, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(grain, (0, 0), 2.5), None, 0, 255, cv2.NORM_MINMAX)


def test_flicker_by_hand():
    """Of 3 still frames with 8192 pixels each, 32 pixels change to the second and 32 back: 64 of 16384."""
    image = texture()
    labels = np.zeros((3, 64, 128), np.uint8)
    labels[1, 20:24, 40:48] = 1
    assert flicker(labels, [image] * 3) == 64 / 16384
    assert per_frame(labels, [image] * 3) == [32 / 8192, 32 / 8192]
    assert flicker(labels[[0, 0, 0]], [image] * 3) == 0
    labels[1] = 1
    assert flicker(labels, [image] * 3) == 1


def test_ignored_pixels_do_not_count():
    labels = np.zeros((2, 64, 128), np.uint8)
    labels[0, :32] = 255
    labels[1, :, :64] = 255  # a quarter of the frame is compared: 32 x 64 pixels
    labels[1, 40, 70:86] = 3
    assert flicker(labels, [texture()] * 2) == 16 / (32 * 64)
    assert flicker(np.full((2, 64, 128), 255, np.uint8), [texture()] * 2) is None


def test_camera_motion_is_no_flicker():
    """The camera pans by 3 pixels a frame over one wall of two colours, and the labels move with it."""
    wall = texture((64, 200))
    classes = np.zeros((64, 200), np.uint8)
    classes[:, 90:] = 1
    images = [wall[:, 3 * i : 3 * i + 128] for i in range(6)]
    moving = [classes[:, 3 * i : 3 * i + 128] for i in range(6)]
    still = [classes[:, :128]] * 6
    assert flicker(moving, images) < 0.002
    assert 0.015 < flicker(still, images) < 0.03  # 3 of 128 columns


def test_what_comes_into_view_is_no_flicker():
    images = [texture() // 3, texture() // 3]
    images[1][10:40, 30:60] = 170 + images[1][10:40, 30:60]  # a bright object
    labels = np.zeros((2, 64, 128), np.uint8)
    labels[1, 10:40, 30:60] = 1
    assert flicker(labels, images) < 0.03 < 900 / 8192


def test_true_motion_is_no_flicker():
    """A pixel whose true class changes does not count, whatever the flow says."""
    truth = np.zeros((2, 64, 128), np.uint8)
    truth[1, :16] = 1
    assert flicker(truth, [texture()] * 2) == 0.25
    assert flicker(truth, [texture()] * 2, truth) == 0


def test_flicker_of_large_and_changing_frames():
    meter = Flicker()
    meter.add(texture((40, 60)), np.zeros((40, 60), np.uint8))
    assert meter.share is None
    meter.add(texture((600, 1200)), np.zeros((600, 1200), np.uint8))
    assert meter.share is None
    meter.add(texture((600, 1200)), np.ones((600, 1200), np.uint8))
    assert meter.share == 1 and meter.compared == 256 * 512
    with pytest.raises(CourseError, match="Expected labels of the size of their frame"):
        meter.add(texture(), np.zeros((4, 4), np.uint8))
    with pytest.raises(CourseError, match="got 1 labels, 2 frames"):
        flicker([np.zeros((4, 4), np.uint8)], [texture()] * 2)
