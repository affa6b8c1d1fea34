"""The checks of notebook 04. Their own mistakes are tested with the notebooks."""

import pytest

from helpers.exercises.pruning import check_aligned_macs, check_removed_with


def test_empty_bodies_are_reported():
    for examine in (check_removed_with, check_aligned_macs):
        assert "returns nothing yet" in examine(lambda *given: None).message


def coupled(layer, channel):
    if layer == "third":
        return {"third": channel, "last": 8 + channel}
    return {"first": channel, "second": channel, "last": channel}


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda layer, channel: {layer: channel, "last": channel}, "second is missing. A sum has a channel"),
        (lambda layer, channel: {**coupled(layer, channel), "last": channel}, "for last, the result is 2, expected 10"),
        (lambda layer, channel: {**coupled(layer, channel), "third": channel}, "third keeps all of its channels"),
        (lambda layer, channel: [channel], "not a dictionary. Follow the channel"),
        (lambda layer, channel: dict.fromkeys(("first", "second", "last"), "5"), "not numbers"),
    ],
)
def test_wrong_couplings(wrong, words):
    assert check_removed_with(coupled).solved
    result = check_removed_with(wrong)
    assert not result.solved and words in result.message, result


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (lambda i, o, b: i * o, "half-empty block takes as long"),
        (lambda i, o, b: round(i / b) * round(o / b) * b * b, "Round up each channel count"),
        (lambda i, o, b: float(i), "Round up each channel count"),
    ],
)
def test_wrong_blocks(wrong, hint):
    result = check_aligned_macs(wrong)
    assert not result.solved and hint in result.message, result
