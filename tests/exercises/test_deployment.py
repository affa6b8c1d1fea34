"""The checks of notebook 05. Their own mistakes are tested with the notebooks."""

import numpy as np
import pytest

from helpers.exercises.deployment import check_eight_bits, check_to_network


def rounded(x, low, high):
    scale = (high - low) / 255
    return low + scale * np.clip(np.round((x - low) / scale), 0, 255)


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (lambda x: (x.astype(np.float32) / 255).transpose(2, 0, 1)[None], "0 has to become -1"),
        (lambda x: np.reshape(x / 127.5 - 1, (1, 3, *x.shape[:2])), "transpose, so that channels come first"),
        (lambda x: np.moveaxis(x / 127.5 - 1, -1, 0), "add a first dimension"),
        (lambda x: ((x - 127) / 128).transpose(2, 0, 1)[None], "wraps around below 0"),
        (lambda x: x / 127.5 - 1, "channels come before height and width"),
        (lambda x: ((x / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None], "the result is float64, expected float32"),
    ],
)
def test_wrong_inputs(wrong, hint):
    assert check_to_network(lambda x: (np.float32(x) / 127.5 - 1).transpose(2, 0, 1)[None]).solved
    result = check_to_network(wrong)
    assert not result.solved and hint in result.message, result


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (lambda x, low, high: x, "which whole number from 0 to 255"),
        (lambda x, low, high: np.clip(x, low, high), "which whole number from 0 to 255"),
        (lambda x, low, high: low + (high - low) / 255 * ((x - low) * 255 / (high - low)).round(), "clip values"),
        (lambda x, low, high: rounded(x - (high - low) / 510.001, low, high), "round to the nearest"),
        (lambda x, low, high: np.rint((x - low) / (high - low) * 255).clip(0, 255), "convert them back"),
    ],
)
def test_wrong_bytes(wrong, hint):
    assert check_eight_bits(rounded).solved
    result = check_eight_bits(wrong)
    assert not result.solved and hint.lower() in result.message.lower(), result
