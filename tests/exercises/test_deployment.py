"""The checks of notebook 05 answer each likely mistake with its hint."""

import numpy as np
import pytest

from helpers.exercises.deployment import check_agreement, check_floor, check_to_network


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (lambda x: (x / 255).transpose(2, 0, 1)[None], "255 becomes 1 and 0 becomes -1"),
        (lambda x: (x / 127.5 - 1).reshape(1, 3, *x.shape[:2]), "transpose, do not reshape"),
        (lambda x: x / 127.5 - 1, "shape (1, 1, 3), expected (1, 3, 1, 1)"),
    ],
)
def test_wrong_inputs(wrong, hint):
    result = check_to_network(wrong)
    assert not result.solved and hint in result.message


def test_wrong_agreement():
    assert not check_agreement(lambda labels, reference: np.mean(labels != reference)).solved
    assert not check_agreement(lambda labels, reference: np.sum(labels == reference)).solved


def test_wrong_floor():
    result = check_floor(lambda gmacs, gflops_per_s: 1000 * gmacs / gflops_per_s)
    assert not result.solved and "two operations" in result.message
