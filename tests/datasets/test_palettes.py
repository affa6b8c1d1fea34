"""Colours for people with colour-vision deficiency."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import Classes
from helpers.datasets.palettes import TOUCHING, VISIONS, distances, seen_as


def closest(classes: Classes) -> float:
    return distances(classes.palette)[np.triu_indices(len(classes), 1)].min()


def closest_touching(classes: Classes) -> float:
    apart = distances(classes.palette)
    return min(apart[classes.index(one), classes.index(two)] for one, others in TOUCHING.items() for two in others)


def many(count: int) -> Classes:
    return Classes(tuple(f"class {i}" for i in range(count)), tuple((i, i, 255 - i) for i in range(count)))


@pytest.mark.parametrize("vision", VISIONS)
def test_grey_is_seen_as_the_same_grey(vision):
    grey = np.repeat(np.arange(0, 256, 15)[:, None], 3, axis=1)
    np.testing.assert_allclose(seen_as(grey, vision), grey, atol=0.05)


def test_each_vision_confuses_what_it_is_known_for():
    """Pairs on a line of confusion, found with the matrices of the paper at full severity."""
    red_green, blue_green = np.array([[200, 60, 60], [110, 110, 60]]), np.array([[0, 130, 220], [0, 150, 165]])
    apart = {vision: [distances(pair, [vision])[0, 1] for pair in (red_green, blue_green)] for vision in VISIONS}
    assert apart["deuteranopia"][0] < apart["normal"][0] / 3
    assert apart["tritanopia"][1] < apart["normal"][1] / 2
    assert apart["tritanopia"][0] > apart["normal"][0] / 2


def test_distance_of_black_and_white_is_100_in_every_vision():
    for vision in VISIONS:
        assert distances(np.array([[0, 0, 0], [255, 255, 255]]), [vision])[0, 1] == pytest.approx(100, abs=0.1)


def test_classes_of_cityscapes_come_apart():
    distinct = CITYSCAPES.with_palette("distinct")
    assert (distinct.names, distinct.categories, distinct.values) == (
        CITYSCAPES.names,
        CITYSCAPES.categories,
        CITYSCAPES.values,
    )
    # Measured in the vision where two colours are closest. The official palette: 3.3 for any two classes, 6.0 for two
    # that touch, person and vegetation as seen with deuteranopia.
    assert closest(CITYSCAPES) < 4 and closest_touching(CITYSCAPES) < 7
    assert closest(distinct) > 17 and closest_touching(distinct) > 30
    assert CITYSCAPES.with_palette("own") is CITYSCAPES


@pytest.mark.parametrize(("count", "apart"), [(2, 80), (10, 25), (50, 10.5), (254, 4)])
def test_any_number_of_own_classes(count, apart):
    distinct = many(count).with_palette("distinct")
    assert closest(distinct) > apart
    assert distances(np.concatenate([distinct.palette, [[0, 0, 0]]]))[-1, :-1].min() > min(apart, 20) / 2  # from black


def test_unknown_palette_is_rejected():
    with pytest.raises(CourseError, match="choose one of own, distinct"):
        CITYSCAPES.with_palette("pink")
