"""Our depthwise convolution against Paddle's own, and against values worked by hand."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from helpers.cpu_ops import exp_to
from helpers.depthwise import depthwise_conv, fits


def run(convolve, x, weight, stride):
    """The output and both gradients, as arrays."""
    x, weight = paddle.to_tensor(x, stop_gradient=False), paddle.to_tensor(weight, stop_gradient=False)
    y = convolve(x, weight, stride)
    (y * paddle.to_tensor(np.random.default_rng(1).normal(size=y.shape).astype("float32"))).sum().backward()
    return y.numpy(), x.grad.numpy(), weight.grad.numpy()


def paddles(x, weight, stride):
    return F.conv2d(x, weight, None, stride, 1, 1, x.shape[1])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (6, 1), (8, 16), (9, 11), (10, 5)])
def test_equals_paddles(size_hw, stride):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, *size_hw)).astype("float32")
    weight = rng.normal(size=(5, 1, 3, 3)).astype("float32")
    for ours, theirs in zip(run(depthwise_conv, x, weight, stride), run(paddles, x, weight, stride), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_by_hand():
    x = np.arange(9, dtype="float32").reshape(1, 1, 3, 3)
    sums = depthwise_conv(paddle.to_tensor(x), paddle.ones([1, 1, 3, 3]), 1).numpy()[0, 0]
    assert sums.tolist() == [[8, 15, 12], [21, 36, 27], [20, 33, 24]]
    assert depthwise_conv(paddle.to_tensor(x), paddle.ones([1, 1, 3, 3]), 2).numpy()[0, 0].tolist() == [
        [8, 12],
        [20, 24],
    ]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: nn.Conv2D(8, 8, 3, padding=1, groups=8), True),
        (lambda: nn.Conv2D(8, 8, 3, stride=2, padding=1, groups=8), True),
        (lambda: nn.Conv2D(8, 8, 3, padding=1), False),
        (lambda: nn.Conv2D(8, 16, 3, padding=1, groups=8), False),
        (lambda: nn.Conv2D(8, 8, 3, padding=2, dilation=2, groups=8), False),
        (lambda: nn.Conv2D(8, 8, 3, padding=0, groups=8), False),
        (lambda: nn.Conv2D(8, 8, 5, padding=2, groups=8), False),
        (lambda: nn.Conv2D(8, 8, 3, padding="same", groups=8), False),
        (lambda: nn.Conv2D(8, 8, 3, padding=1, padding_mode="reflect", groups=8), False),
        (lambda: nn.ReLU(), False),
    ],
)
def test_which_layers_it_can_stand_in_for(layer, expected):
    assert fits(layer()) is expected


def test_exponential_is_exact_to_float32():
    x = np.linspace(-87, 0, 100_001, dtype=np.float32)
    out, power = np.empty_like(x), np.empty(x.size, np.int32)
    exp_to(x, np.zeros_like(x), power, out)
    np.testing.assert_allclose(out, np.exp(x.astype(np.float64)), rtol=2e-7)
    exp_to(np.full(1, -1e30, np.float32), np.zeros(1, np.float32), power[:1], out[:1])
    assert 0 < out[0] < 1e-37
