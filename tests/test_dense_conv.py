"""Our dense 3x3 convolution against Paddle's own, and against values worked by hand."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from helpers.dense_conv import available, dense_conv, fits

pytestmark = pytest.mark.skipif(not available(), reason="this Paddle brings no MKL")


def run(convolve, x, weight):
    """The output and both gradients, as arrays."""
    x, weight = paddle.to_tensor(x, stop_gradient=False), paddle.to_tensor(weight, stop_gradient=False)
    y = convolve(x, weight)
    (y * paddle.to_tensor(np.random.default_rng(1).normal(size=y.shape).astype("float32"))).sum().backward()
    return y.numpy(), x.grad.numpy(), weight.grad.numpy()


@pytest.mark.parametrize("padding", [1, "same"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (6, 1), (8, 16), (9, 11), (10, 5), (40, 70)])
def test_equals_paddles(size_hw, stride, padding):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 7, *size_hw)).astype("float32")
    weight = rng.normal(size=(5, 7, 3, 3)).astype("float32")
    ours = run(lambda x, w: dense_conv(x, w, stride, padding), x, weight)
    theirs = run(lambda x, w: F.conv2d(x, w, None, stride, padding), x, weight)
    for one, two in zip(ours, theirs, strict=True):
        assert one.shape == two.shape
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5 * np.abs(two).max())


def test_by_hand():
    x = paddle.to_tensor(np.arange(9, dtype="float32").reshape(1, 1, 3, 3))
    assert dense_conv(x, paddle.ones([1, 1, 3, 3]), 1).numpy()[0, 0].tolist() == [
        [8, 15, 12],
        [21, 36, 27],
        [20, 33, 24],
    ]
    assert dense_conv(x, paddle.ones([1, 1, 3, 3]), 2).numpy()[0, 0].tolist() == [[8, 12], [20, 24]]


@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_what_is_frozen_has_no_gradient(frozen):
    tensors = {"x": paddle.randn([2, 5, 8, 9]), "weight": paddle.randn([4, 5, 3, 3])}
    for name, tensor in tensors.items():
        tensor.stop_gradient = name == frozen
    found = {}
    for how in (lambda x, w: dense_conv(x, w, 2), lambda x, w: F.conv2d(x, w, None, 2, 1)):
        how(**dict(zip(("x", "w"), tensors.values(), strict=True))).sum().backward()
        for name, tensor in tensors.items():
            assert (tensor.grad is None) is (name == frozen)
            if tensor.grad is not None:
                found.setdefault(name, []).append(tensor.grad.numpy())
                tensor.clear_grad()
    for ours, theirs in found.values():
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_same_bits_each_time():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 18, 32, 64)).astype("float32"), rng.normal(size=(18, 18, 3, 3)).astype("float32")
    first = run(lambda x, w: dense_conv(x, w, 1), x, weight)
    for _ in range(5):
        for one, two in zip(first, run(lambda x, w: dense_conv(x, w, 1), x, weight), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: nn.Conv2D(3, 8, 3, padding=1), True),
        (lambda: nn.Conv2D(16, 8, 3, padding="same"), True),
        (lambda: nn.Conv2D(16, 8, 3, stride=2, padding=1), True),
        (lambda: nn.Conv2D(16, 16, 3, padding=1, groups=16), False),
        (lambda: nn.Conv2D(16, 8, 3, padding=2, dilation=2), False),
        (lambda: nn.Conv2D(16, 8, 1), False),
        (lambda: nn.Conv2D(16, 8, 3, padding="valid"), False),
        (lambda: nn.Conv2D(16, 8, 3, padding=1, padding_mode="reflect"), False),
    ],
)
def test_where_it_is_used(layer, expected):
    assert fits(layer()) is expected
