"""Corruptions: repeatable, stronger with each step, and what each is said to do."""

import numpy as np
import pytest
from tiny_cityscapes import write_set

from helpers.common.errors import CourseError
from helpers.datasets import open_dataset, read_image, read_label
from helpers.evaluation.corruptions import KINDS, STRENGTHS, corrupt, robustness


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (16, 32, 3), dtype=np.uint8)
    return patches.repeat(16, axis=0).repeat(16, axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_changes_more(image, kind):
    before = image.copy()
    spoiled = [corrupt(image, kind, strength) for strength in STRENGTHS]
    assert all(each.shape == image.shape and each.dtype == np.uint8 for each in spoiled)
    change = [np.abs(each.astype(int) - image).mean() for each in spoiled]
    assert change[0] > 0.5 and change == sorted(change)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(corrupt(image, kind, 3), spoiled[2])


def test_noise_has_its_deviation_and_another_seed_other_noise():
    grey = np.full((128, 256, 3), 128, np.uint8)
    noise = corrupt(grey, "noise", 2).astype(float) - 128
    assert noise.std() == pytest.approx(14, rel=0.02) and abs(noise.mean()) < 0.2
    assert not np.array_equal(corrupt(grey, "noise", 2, seed=1), corrupt(grey, "noise", 2))


def test_blur_keeps_a_plain_area_and_grows_with_the_frame(image):
    plain = np.full((64, 64, 3), 77, np.uint8)
    np.testing.assert_array_equal(corrupt(plain, "blur", 5), plain)
    dot = np.zeros((256, 512, 3), np.uint8)
    dot[120:136, 240:256] = 255
    large = dot.repeat(2, axis=0).repeat(2, axis=1)
    area = np.count_nonzero(corrupt(dot, "blur", 5)[..., 0])
    assert np.count_nonzero(corrupt(large, "blur", 5)[..., 0]) == pytest.approx(4 * area, rel=0.05)


def test_fog_hides_the_horizon_more_than_the_road():
    black = np.zeros((128, 256, 3), np.uint8)
    rows = corrupt(black, "fog", 3)[..., 0].mean(axis=1)
    assert rows[60:68].mean() > rows[-8:].mean() > 0


@pytest.mark.parametrize(("kind", "strength"), [("snow", 1), ("fog", 0), ("fog", 6)])
def test_unknown_ones_are_refused(image, kind, strength):
    with pytest.raises(CourseError, match="fog, blur, noise, jpeg at a strength from 1 to 5"):
        corrupt(image, kind, strength)


def test_robustness_scores_each_network_on_the_same_corrupted_frames(tmp_path):
    frames = open_dataset(write_set(tmp_path, size_hw=(128, 256))).frames("val")
    truths = {read_image(frame).tobytes(): np.minimum(read_label(frame), 18) for frame in frames}
    seen = {"knows the clean frames": [], "always road": []}

    def knowing(image):
        seen["knows the clean frames"].append(image)
        return truths.get(image.tobytes(), np.zeros(image.shape[:2], np.uint8))

    def road(image):
        seen["always road"].append(image)
        return np.zeros(image.shape[:2], np.uint8)

    found = robustness({"knows the clean frames": knowing, "always road": road}, frames)
    assert list(found) == list(KINDS)
    for each in found.values():
        clean, *corrupted = each["knows the clean frames"]
        assert clean == 1 and len(corrupted) == 5
        assert corrupted == each["always road"][1:] and each["always road"][0] == corrupted[0]
    for one, two in zip(*seen.values(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert len(seen["always road"]) == len(frames) * (1 + 4 * 5)  # the clean frame is predicted once
    with pytest.raises(CourseError, match="at least one frame"):
        robustness({"always road": road}, [])
