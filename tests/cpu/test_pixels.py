"""Normalised frames and classes of pixels against Paddle's operators and values computed by hand."""

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cpu.pixels import Workers, labels_of, network_input
from helpers.datasets import normalise


def paddle_labels(logits: np.ndarray, size_hw: tuple[int, int], align_corners: bool = False) -> np.ndarray:
    large = paddle.nn.functional.interpolate(
        paddle.to_tensor(logits), size_hw, mode="bilinear", align_corners=align_corners
    )
    return paddle.argmax(large, axis=1).numpy()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_network_input_has_the_values_of_normalise(threads):
    frames = np.random.default_rng(0).integers(0, 256, (2, 7, 11, 3), dtype=np.uint8)
    x = network_input(frames, Workers(threads))
    assert x.dtype == np.float32 and x.flags.c_contiguous
    np.testing.assert_array_equal(x, [normalise(frame) for frame in frames])


def test_padding_repeats_the_last_column_and_row():
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    x = network_input(frames, Workers(2), (8, 16))
    repeated = np.pad(network_input(frames, Workers(1)), [(0, 0), (0, 0), (0, 3), (0, 9)], mode="edge")
    np.testing.assert_array_equal(x, repeated)


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 254])
def test_labels_of_a_part_of_any_number_of_classes(classes):
    logits = np.random.default_rng(classes).normal(size=(2, classes, 4, 6)).astype(np.float32)
    whole = labels_of(logits, (32, 48), False, Workers(2))
    np.testing.assert_array_equal(whole, in_float32(logits, (32, 48)).argmax(axis=1))
    part = labels_of(logits, (27, 41), False, Workers(2), (32, 48))
    assert part.flags.c_contiguous
    np.testing.assert_array_equal(part, whole[:, :27, :41])


def test_two_pixels_by_hand():
    logits = np.float32([[[[0, 4]], [[1, 1]]]])  # class 0: 0 and 4, class 1: 1 everywhere
    # Enlarged eight times, class 0 is 4 (column + 0.5) / 8 - 2, within 0 and 4: 0 0 0 0 .25 .75 1.25 ...
    np.testing.assert_array_equal(labels_of(logits, (1, 16), False, Workers(1)), [[[1] * 6 + [0] * 10]])


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(9, 12), (3, 3), (2, 2), (1, 5)])
def test_ties_choose_the_first_class_as_in_paddle(factor, size):
    # Whole numbers and weights that are sixteenths: no rounding anywhere, and ties in every map.
    logits = np.random.default_rng(factor).integers(0, 2, (2, 19, *size)).astype(np.float32)
    size_hw = size[0] * factor, size[1] * factor
    large = paddle.nn.functional.interpolate(paddle.to_tensor(logits), size_hw, mode="bilinear").numpy()
    assert ((large == large.max(axis=1, keepdims=True)).sum(axis=1) > 1).mean() > 0.1
    np.testing.assert_array_equal(labels_of(logits, size_hw, False, Workers(2)), paddle_labels(logits, size_hw))


def in_float32(logits: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """The documented formula in NumPy: float32 (N, C, H, W)."""
    for axis, new in ((3, size_hw[1]), (2, size_hw[0])):
        old = logits.shape[axis]
        at = np.float32(old / new) * (np.arange(new, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
        at = np.clip(at, 0, None)
        low = np.minimum(at.astype(int), old - 1)
        share = (at - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(4)])
        high = np.minimum(low + 1, old - 1)
        logits = logits.take(low, axis) + (logits.take(high, axis) - logits.take(low, axis)) * share
    return logits


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.data())
def test_any_size_equals_the_formula(size, data):
    factor = data.draw(st.sampled_from([None, 1, 2, 3, 4, 5, 8]))
    size_hw = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    if factor:
        size_hw = size[0] * factor, size[1] * factor
    logits = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(1, 19, *size)).astype(np.float32)
    labels = labels_of(logits, size_hw, False, Workers(1))
    np.testing.assert_array_equal(labels, in_float32(logits, size_hw).argmax(axis=1))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size_hw", [(97, 131), (64, 64), (104, 136), (5, 7)])
def test_classes_differ_from_paddle_only_by_rounding(align_corners, size_hw):
    logits = np.random.default_rng(3).normal(size=(1, 19, 13, 17)).astype(np.float32)
    labels = labels_of(logits, size_hw, align_corners, Workers(2))
    expected = paddle_labels(logits, size_hw, align_corners)
    large = paddle.nn.functional.interpolate(
        paddle.to_tensor(logits), size_hw, mode="bilinear", align_corners=align_corners
    ).numpy()
    differs = labels != expected
    top = np.sort(large, axis=1)[:, -2:]
    assert ((top[:, 1] - top[:, 0])[differs] < 1e-5).all()
    assert differs.mean() < 1e-3


def test_result_does_not_depend_on_the_number_of_threads():
    logits = np.random.default_rng(1).normal(size=(3, 19, 6, 10)).astype(np.float32)
    one = labels_of(logits, (48, 80), False, Workers(1))
    for threads in (2, 3, 200):
        np.testing.assert_array_equal(labels_of(logits, (48, 80), False, Workers(threads)), one)
