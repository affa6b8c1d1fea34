"""Convolutions by oneDNN against Paddle's, and against values computed by hand."""

import threading

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from paddle import nn

from helpers.cpu import onednn
from helpers.cpu.onednn import convolution, library

pytestmark = pytest.mark.skipif(not onednn.available(), reason="this Paddle ships no oneDNN")


def run(convolve, x, weight):
    """The output and both gradients, as arrays."""
    x, weight = paddle.to_tensor(x, stop_gradient=False), paddle.to_tensor(weight, stop_gradient=False)
    y = convolve(x, weight)
    (y * paddle.to_tensor(np.random.default_rng(1).normal(size=y.shape).astype("float32"))).sum().backward()
    return y.numpy(), x.grad.numpy(), weight.grad.numpy()


def compare(x_shape, weight_shape, *geometry):
    rng = np.random.default_rng(0)
    x, weight = (rng.normal(size=shape).astype("float32") for shape in (x_shape, weight_shape))
    ours = run(lambda x, w: onednn.conv2d(x, w, *geometry), x, weight)
    stride, padding, *rest = geometry
    theirs = run(lambda x, w: F.conv2d(x, w, None, stride, padding, *rest), x, weight)
    for one, two in zip(ours, theirs, strict=True):
        assert one.shape == two.shape
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5 * np.abs(two).max())


@pytest.mark.parametrize("channels", [(5, 7), (16, 32), (48, 16)])  # channels last, and in blocks of 16
@pytest.mark.parametrize("padding", [1, "same"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (6, 1), (8, 16), (9, 11), (10, 5), (40, 70)])
def test_equals_paddles(size_hw, stride, padding, channels):
    filters, inputs = channels
    compare((3, inputs, *size_hw), (filters, inputs, 3, 3), stride, padding, 1, 1)


@pytest.mark.parametrize("channels", [5, 32])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (8, 16), (9, 11), (10, 5)])
def test_depthwise_equals_paddles(size_hw, stride, channels):
    compare((2, channels, *size_hw), (channels, 1, 3, 3), stride, 1, 1, channels)


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "geometry"),
    [
        ((2, 30, 8, 9), (20, 30, 1, 1), (1, 0, 1, 1)),  # a product of matrices
        ((2, 32, 8, 9), (16, 32, 1, 1), (2, 0, 1, 1)),
        ((2, 16, 20, 21), (32, 16, 3, 3), (1, 4, 4, 1)),  # dilated
        ((2, 3, 30, 41), (64, 3, 7, 7), (2, 3, 1, 1)),
        ((2, 16, 9, 8), (24, 4, 3, 3), (1, 1, 1, 4)),  # groups
        ((2, 16, 9, 8), (24, 16, 1, 3), ([1, 2], [0, 1], 1, 1)),
        ((1, 8, 5, 6), (4, 8, 5, 6), (1, 0, 1, 1)),  # the filter is as large as the map
    ],
)
def test_other_geometries(x_shape, weight_shape, geometry):
    compare(x_shape, weight_shape, *geometry)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_geometry_equals_paddles(data):
    """Odd and prime channel counts, 1 included, maps down to 1x1, groups up to one per channel."""
    draw = data.draw
    groups = draw(st.sampled_from([1, 1, 2, 3, 7, 16]))
    inputs, filters = (groups * draw(st.integers(1, 37 if groups == 1 else 4)) for _ in range(2))
    kernel, size = ([draw(st.sampled_from(values)) for _ in range(2)] for values in ([1, 3, 5, 7], range(1, 20)))
    stride, dilation = ([draw(st.integers(1, 3)) for _ in range(2)] for _ in range(2))
    same = dilation == [1, 1] and draw(st.booleans())
    padding = "same" if same else [draw(st.integers(0, 4)) for _ in range(2)]
    if not same:
        extents = zip(size, kernel, padding, dilation, strict=True)
        assume(all(length + 2 * pad > (k - 1) * d for length, k, pad, d in extents))
    batch = draw(st.integers(1, 3))
    compare((batch, inputs, *size), (filters, inputs // groups, *kernel), stride, padding, dilation, groups)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 70), st.sampled_from([1, 3, 5]), st.integers(1, 2), st.tuples(*[st.integers(1, 12)] * 2))
def test_any_depthwise_convolution_equals_paddles(channels, kernel, stride, size_hw):
    compare((2, channels, *size_hw), (channels, 1, kernel, kernel), stride, kernel // 2, 1, channels)


def test_by_hand():
    x = paddle.to_tensor(np.arange(9, dtype="float32").reshape(1, 1, 3, 3))
    ones = paddle.ones([1, 1, 3, 3])
    assert onednn.conv2d(x, ones, 1, 1).numpy()[0, 0].tolist() == [[8, 15, 12], [21, 36, 27], [20, 33, 24]]
    assert onednn.conv2d(x, ones, 2, 1).numpy()[0, 0].tolist() == [[8, 12], [20, 24]]


@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_frozen_tensors_have_no_gradient(frozen):
    tensors = {"x": paddle.randn([2, 5, 8, 9]), "weight": paddle.randn([4, 5, 3, 3])}
    for name, tensor in tensors.items():
        tensor.stop_gradient = name == frozen
    found = {}
    for convolve in (onednn.conv2d, lambda x, weight, *geometry: F.conv2d(x, weight, None, *geometry)):
        convolve(tensors["x"], tensors["weight"], 2, 1).sum().backward()
        for name, tensor in tensors.items():
            assert (tensor.grad is None) is (name == frozen)
            if tensor.grad is not None:
                found.setdefault(name, []).append(tensor.grad.numpy())
                tensor.clear_grad()
    for ours, theirs in found.values():
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_results_are_reproducible_bit_by_bit():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 18, 32, 64)).astype("float32"), rng.normal(size=(18, 18, 3, 3)).astype("float32")
    first = run(lambda x, w: onednn.conv2d(x, w, 1, 1), x, weight)
    for _ in range(5):
        for one, two in zip(first, run(lambda x, w: onednn.conv2d(x, w, 1, 1), x, weight), strict=True):
            np.testing.assert_array_equal(one, two)


def test_threads_may_share_a_convolution():
    inputs = [paddle.full([1, 16, 20, 30], float(value)) for value in range(4)]
    weight = paddle.ones([16, 16, 3, 3])
    wrong = []

    def work(value: int) -> None:
        for _ in range(50):
            if float(onednn.conv2d(inputs[value], weight, 1, 1)[0, 0, 5, 5]) != 144 * value:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_rejected_shapes_raise():
    with pytest.raises(RuntimeError, match="oneDNN"):
        onednn.conv2d(paddle.ones([1, 3, 8, 8]), paddle.ones([4, 5, 3, 3]), 1, 1)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: nn.Conv2D(3, 8, 3, padding=1), True),
        (lambda: nn.Conv2D(16, 8, 3, padding="same"), True),
        (lambda: nn.Conv2D(16, 16, 3, stride=2, padding=1, groups=16), True),
        (lambda: nn.Conv2D(16, 8, 3, padding=2, dilation=2), True),
        (lambda: nn.Conv2D(16, 8, 1), True),
        (lambda: nn.Conv2D(16, 8, 3, padding="same", dilation=2), False),
        (lambda: nn.Conv2D(16, 8, 3, padding="valid"), False),
        (lambda: nn.Conv2D(16, 8, 3, padding=[1, 1, 0, 0]), False),
        (lambda: nn.Conv2D(16, 8, 3, padding=1, padding_mode="reflect"), False),
        (lambda: nn.Conv2D(16, 8, 3, padding=1, data_format="NHWC"), False),
        (lambda: nn.Conv2DTranspose(16, 8, 2), False),
        (lambda: nn.ReLU(), False),
    ],
)
def test_which_layers_fit(layer, expected):
    assert onednn.fits(layer()) is expected


def test_no_convolution_runs_on_reference_code():
    """Of U-HRNet's deepest maps, whose gradient took 100 times as long channels last on a processor with AVX2 only."""
    found = convolution._compiled((2, 288, 2, 4), (288, 288, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    assert found is None or not found.is_reference


def test_a_convolution_without_fast_code_is_left_to_paddle(monkeypatch):
    monkeypatch.setattr(library, "is_reference", lambda descriptor: True)
    x, weight = paddle.randn([1, 3, 7, 9]), paddle.randn([5, 3, 3, 3])  # shapes that no other test compiles
    assert convolution._compiled((1, 3, 7, 9), (5, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1) is None
    np.testing.assert_array_equal(onednn.conv2d(x, weight, 1, 1).numpy(), F.conv2d(x, weight, None, 1, 1).numpy())
