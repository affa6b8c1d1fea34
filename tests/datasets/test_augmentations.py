"""`apply` transforms image and label together and leaves the global generators untouched."""

import random

import numpy as np
import pytest
from paddleseg import transforms as T

from helpers.common.errors import CourseError
from helpers.datasets.augmentations import apply, invented


@pytest.fixture
def frame():
    """Image and label agree: the red channel is ten times the train id."""
    label = np.zeros((40, 60), np.uint8)
    label[10:30, 15:30] = 13
    label[:8, 40:] = 10
    image = np.stack([label * 10, label * 0, label * 0], axis=-1)
    return image, label


@pytest.mark.parametrize(
    "transform",
    [
        T.RandomHorizontalFlip(1),
        T.RandomVerticalFlip(1),
        T.RandomPaddingCrop((30, 20)),
        T.RandomCenterCrop((0.5, 0.5)),
    ],
)
def test_image_and_label_are_transformed_together(frame, transform):
    image, label = apply(transform, *frame, seed=3)
    assert image.dtype == label.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 0], label * 10)
    assert not np.array_equal(label, frame[1])


def test_seed_determines_the_result_and_generators_are_restored(frame):
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].copy()
    first = apply(T.RandomRotation(30), *frame, seed=1)
    again = apply(T.RandomRotation(30), *frame, seed=1)
    other = apply(T.RandomRotation(30), *frame, seed=2)
    np.testing.assert_array_equal(first[1], again[1])
    assert first[1].shape != other[1].shape or not np.array_equal(first[1], other[1])
    assert random.getstate() == before[0] and np.array_equal(np.random.get_state()[1], before[1])


def test_colour_jitter_keeps_the_label(frame):
    distort = T.RandomDistort(brightness_prob=1, contrast_prob=1, saturation_prob=1, hue_prob=1)
    image, label = apply(distort, *frame, seed=0)
    np.testing.assert_array_equal(label, frame[1])
    assert not np.array_equal(image, frame[0])


def test_invented_matches_counts_worked_out_by_hand():
    before = np.uint8([[0, 13, 255]])
    assert invented(before, np.uint8([[0, 0, 255]]), 19) == (0, 0)
    assert invented(before, np.uint8([[7, 7, 19], [0, 200, 13]]), 19) == (2, 2)
    assert invented(before, np.uint8([[7, 7, 19], [0, 200, 13]]), 5) == (0, 4)
    assert invented(np.uint8([[0]]), np.uint8([[255]]), 19) == (0, 0)


def test_scale_padding_invents_labels_and_resize_does_not(frame):
    # ScalePadding of PaddleSeg 2.8 resizes the label with bicubic interpolation; notebook 01 shows it.
    assert invented(frame[1], apply(T.Resize((45, 31)), *frame, seed=0)[1], 19) == (0, 0)
    assert sum(invented(frame[1], apply(T.ScalePadding((45, 45)), *frame, seed=0)[1], 19)) > 0


def test_image_and_label_of_different_sizes_are_rejected(frame):
    with pytest.raises(CourseError, match="the image's size"):
        apply(T.RandomHorizontalFlip(), frame[0], frame[1][:-1], seed=0)
