"""The exercises of notebook 06: right answers pass, and typical wrong ones get their own hint."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.exercises import own_data
from helpers.minileaves import MISTAKES

ALL = [mistake.frame for mistake in MISTAKES]


def test_all_mistakes_pass():
    assert own_data.check_mistakes(ALL).solved
    assert own_data.check_mistakes(reversed(ALL)).solved


@pytest.mark.parametrize(
    "found, words",
    [
        ([], "empty"),
        ([...], "empty"),
        (ALL[1:], "6 of 7 found. Look for this one: a label is misspelt"),
        ([*ALL[:3], "plant_00/00"], "nothing was planted there. 3 of 7"),
        ([*ALL[:-1], "plant_02/copy_of_00"], "name the original"),
        (ALL[0], "1 of 7 found."),
        ([ALL[:1]], "is not a planted mistake"),
        (None, "got None: write a list"),
        (5, "got 5: write a list"),
    ],
)
def test_wrong_lists_of_mistakes(found, words):
    result = own_data.check_mistakes(found)
    assert not result.solved and words in result.message


def by_plant(frames):
    plants = sorted({frame.split("/")[0] for frame in frames})
    chosen = set()
    while sum(frame.split("/")[0] in chosen for frame in frames) < len(frames) / 5:
        chosen.add(plants.pop())
    return [frame for frame in frames if frame.split("/")[0] in chosen]


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda frames: frames[: len(frames) // 5 + 2], "in train and in val. Choose plants"),
        (lambda frames: frames[:6], "less than a fifth. Choose plants"),
        (lambda frames: ["plant_99/00"], "is not one of the frames"),
        (lambda frames: 5, "type int, which cannot be compared"),
        (lambda frames: [frames], "type list, which cannot be compared"),
        (lambda frames: frames[: len(frames) // 4], "plants with 2, 10 and 3 frames"),
        (lambda frames: [f for f in frames if f.split("/")[0] in sorted({f.split("/")[0] for f in frames})[:2]], ""),
    ],
)
def test_splits(function, words):
    assert own_data.check_split(by_plant).solved
    result = own_data.check_split(function)
    assert (words == "" and result.solved) or (not result.solved and words in result.message), result


def balanced(share):
    weights = np.zeros_like(share)
    known = share > 0
    weights[known] = 1 / (share[known] * known.sum())
    return weights


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda share: 1 / (share + 1e-3), "sum to 1"),
        (lambda share: np.ones_like(share), "same for every class"),
        (lambda share: 1 / (len(share) * np.maximum(share, 1e-9)), "infinite"),
    ],
)
def test_weights(function, words):
    assert own_data.check_weights(balanced).solved
    result = own_data.check_weights(function)
    assert not result.solved and words in result.message
