"""Samples transform image and label together, in an order that depends on the seed only."""

import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_set

from helpers import datasets
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, open_dataset, read_image, read_label
from helpers.datasets import samples as sampling
from helpers.profiles import load_profile

RECIPE = load_profile("smoke").pair


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return open_dataset(write_set(tmp_path_factory.mktemp("set"), size_hw=(64, 128))).frames("train")


def test_normalise_matches_values_worked_out_by_hand_and_inverts():
    image = np.array([[[0, 51, 255]]], dtype=np.uint8)  # (1, 1, 3)
    np.testing.assert_allclose(datasets.normalise(image)[:, 0, 0], [-1, -0.6, 1], atol=1e-6)
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(datasets.denormalise(datasets.normalise(every)), every)


def test_normalise_agrees_with_paddleseg(frames):
    from paddleseg.transforms import Compose, Normalize

    image = read_image(frames[0])
    theirs = Compose([Normalize(datasets.MEAN, datasets.STD)], to_rgb=False)({"img": image.copy()})["img"]
    np.testing.assert_allclose(datasets.normalise(image), theirs, atol=1e-6)


def test_sample_depends_on_seed_and_index_only(frames):
    one, two = (sampling.TrainingSamples(frames, RECIPE, seed=7) for _ in range(2))
    later = one[5]
    random.seed(99)
    np.random.seed(99)
    for n in range(5):
        two[n]
    for a, b in zip(later, two[5], strict=True):
        np.testing.assert_array_equal(a, b)
    other = sampling.TrainingSamples(frames, RECIPE, seed=8)[5]
    assert not np.array_equal(later[0], other[0])


def test_global_generators_are_restored(frames):
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].copy()
    sampling.TrainingSamples(frames, RECIPE, seed=0)[0]
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_threads_do_not_disturb_each_other(frames):
    from concurrent.futures import ThreadPoolExecutor

    samples = sampling.TrainingSamples(frames, RECIPE, seed=0)
    serial = [samples[n][0] for n in range(24)]
    with ThreadPoolExecutor(4) as pool:
        parallel = [image for image, _ in pool.map(samples.__getitem__, range(24))]
    np.testing.assert_array_equal(serial, parallel)


def test_each_epoch_visits_every_frame_once_in_another_order(frames):
    samples = sampling.TrainingSamples(frames, RECIPE, seed=0)
    epochs = [[samples.frame(e * len(frames) + i) for i in range(len(frames))] for e in range(8)]
    for epoch in epochs:
        assert sorted(f.stem for f in epoch) == sorted(f.stem for f in frames)
    assert len({tuple(f.stem for f in epoch) for epoch in epochs}) > 1


def test_shapes_dtypes_and_values(frames):
    image, label = sampling.TrainingSamples(frames, RECIPE, seed=0)[0]
    assert image.shape == (3, *RECIPE.crop_hw) and image.dtype == np.float32
    assert label.shape == RECIPE.crop_hw and label.dtype == np.int64
    assert -1 <= image.min() and image.max() <= 1
    assert set(np.unique(label)) <= {*range(19), IGNORE}


def test_batches_are_the_same_from_any_start(frames):
    whole = [image.numpy() for image, _ in sampling.training_batches(frames, RECIPE, seed=3)]
    rest = [image.numpy() for image, _ in sampling.training_batches(frames, RECIPE, seed=3, start=2)]
    assert len(whole) == RECIPE.iterations and len(rest) == RECIPE.iterations - 2
    np.testing.assert_array_equal(whole[2:], rest)


def test_two_processes_split_the_samples_of_a_double_batch(frames):
    double = replace(RECIPE, batch_size=2 * RECIPE.batch_size)
    whole = [image.numpy() for image, _ in sampling.training_batches(frames, double, seed=3)]
    parts = [
        [image.numpy() for image, _ in sampling.training_batches(frames, RECIPE, seed=3, rank=rank, world=2)]
        for rank in range(2)
    ]
    for both, first, second in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(both, np.concatenate([first, second]))


def test_loading_processes_do_not_change_the_batches(frames):
    serial = [image.numpy() for image, _ in sampling.training_batches(frames, RECIPE, seed=3)]
    parallel = [image.numpy() for image, _ in sampling.training_batches(frames, RECIPE, seed=3, workers=2)]
    np.testing.assert_array_equal(serial, parallel)


def test_accumulated_batches_are_the_parts_of_a_large_one(frames):
    large = replace(RECIPE, batch_size=4, iterations=2)
    whole = [image.numpy() for image, _ in sampling.training_batches(frames, large, seed=3, start=1)]
    small = replace(large, batch_size=2, accumulate=2)
    parts = [image.numpy() for image, _ in sampling.training_batches(frames, small, seed=3, start=1)]
    np.testing.assert_array_equal(np.concatenate(whole), np.concatenate(parts))


def test_frames_of_several_sizes_and_smaller_than_the_crop(tmp_path):
    """The padding is mid-grey in the image and ignored in the label, at the right and bottom."""
    root = write_set(tmp_path, cities={"train": {"aachen": 1}}, size_hw=(45, 61))
    write_set(root, cities={"train": {"bochum": 1}}, size_hw=(90, 200))
    frames = open_dataset(root).frames("train")
    recipe = replace(RECIPE, scale_min=1.0, scale_max=1.0, jitter=0.0, crop_hw=(64, 96), iterations=3)
    (image, label), *_ = sampling.training_batches(frames, recipe, seed=0)
    assert image.shape == [2, 3, 64, 96] and label.shape == [2, 64, 96]
    samples = sampling.TrainingSamples(frames[:1], recipe, seed=0)
    pixels, ids = next(
        each for each in map(samples.pixels, range(9)) if np.array_equal(each[1][:45, :61], read_label(frames[0]))
    )
    assert (ids[45:] == IGNORE).all() and (ids[:, 61:] == IGNORE).all()
    assert np.abs(pixels[45:].astype(int) - 127).max() <= 1


def break_image(frame):
    frame.image.write_bytes(frame.image.read_bytes()[:-40])
    return frame.image


def break_label(frame):
    frame.label.unlink()
    return frame.label


def resize_label(frame):
    Image.open(frame.label).resize((50, 40), Image.Resampling.NEAREST).save(frame.label)
    return frame.label


@pytest.mark.parametrize(
    ("damage", "workers"), [(break_image, 0), (break_label, 0), (resize_label, 0), (break_image, 2)]
)
def test_damaged_frame_is_named(tmp_path, damage, workers):
    frames = open_dataset(write_set(tmp_path, size_hw=(64, 128))).frames("train")
    path = damage(frames[2])
    with pytest.raises(CourseError) as caught:
        list(sampling.training_batches(frames, RECIPE, seed=0, workers=workers))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_unexpected_error_names_the_frame(frames, monkeypatch):
    def fail(sample):
        raise MemoryError("no room")

    samples = sampling.TrainingSamples(frames, RECIPE, seed=0)
    samples.transforms = fail
    with pytest.raises(CourseError, match=f"{samples.frame(0).image}.*MemoryError: no room"):
        samples[0]


def test_no_frames_is_an_error():
    with pytest.raises(CourseError, match="empty list"):
        sampling.TrainingSamples([], RECIPE, seed=0)
