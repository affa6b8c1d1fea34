"""The checks of notebook 04 answer each likely mistake with its hint."""

import numpy as np
import pytest

from helpers.exercises.pruning import check_aligned_macs, check_kept_filters, check_macs


def test_empty_body_is_reported():
    assert "returns nothing yet" in check_macs(lambda *given: None).message


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (lambda k, i, o, g, h, w: k * i * o * h * w // g, "3 * 3 * 2 products"),
        (lambda k, i, o, g, h, w: k * k * i * o * h * w, "reads only in_channels / g"),
    ],
)
def test_wrong_counts(wrong, hint):
    result = check_macs(wrong)
    assert not result.solved and hint in result.message


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (lambda w, n: np.sort(np.argsort(w.sum(axis=(1, 2, 3)))[len(w) - n :]), "absolute values"),
        (lambda w, n: np.sort(np.argsort(np.abs(w).max(axis=(1, 2, 3)))[len(w) - n :]), "all of its input channels"),
        (lambda w, n: np.argsort(np.abs(w).sum(axis=(1, 2, 3)))[::-1][:n], "sort the kept indices"),
    ],
)
def test_wrong_rankings(wrong, hint):
    result = check_kept_filters(wrong)
    assert not result.solved and hint in result.message


@pytest.mark.parametrize(
    "wrong",
    [
        lambda i, o, b: i * o,
        lambda i, o, b: -(-i * o // b) * b,
        lambda i, o, b: (i // b + 1) * (o // b + 1) * b * b,
    ],
)
def test_wrong_blocks(wrong):
    result = check_aligned_macs(wrong)
    assert not result.solved and "next multiple" in result.message
