"""Our batch norm against Paddle's own, and against values worked by hand."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from helpers import batch_norm as module
from helpers.batch_norm import batch_norm, fits


@pytest.fixture(autouse=True)
def ours_for_small_maps(monkeypatch):
    monkeypatch.setattr(module, "_MIN_VALUES", 0)


def layer_of(channels, seed=0):
    rng = np.random.default_rng(seed)
    layer = nn.BatchNorm2D(channels)
    for tensor in (layer.weight, layer.bias, layer._mean):
        tensor.set_value(rng.normal(size=channels).astype("float32"))
    return layer


def run(how, values, upstream, frozen=False):
    """The output, the gradients of input, weight and bias, and both running statistics, as arrays."""
    layer = layer_of(values.shape[1])
    layer.weight.stop_gradient = frozen
    x = paddle.to_tensor(values, stop_gradient=False)
    y = how(layer, x)
    y.backward(paddle.to_tensor(upstream))
    assert (layer.weight.grad is None) is frozen
    gradients = (x.grad, layer.bias.grad) if frozen else (x.grad, layer.weight.grad, layer.bias.grad)
    return [tensor.numpy() for tensor in (y, *gradients, layer._mean, layer._variance)]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("centre", [0, 30])
@pytest.mark.parametrize("shape", [(1, 1, 2, 4), (2, 3, 1, 7), (4, 9, 20, 40), (2, 18, 64, 128)])
def test_equals_paddles(shape, centre, relu):
    rng = np.random.default_rng(0)
    values, upstream = (rng.normal(mean, size=shape).astype("float32") for mean in (centre, 0))
    ours = run(lambda layer, x: batch_norm(layer, x, relu), values, upstream)
    theirs = run(lambda layer, x: F.relu(layer(x)) if relu else layer(x), values, upstream)
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3 * np.abs(two).max())


def test_by_hand():
    layer = nn.BatchNorm2D(1, epsilon=0.0)
    x = paddle.to_tensor([[[[1.0, 3.0]]], [[[5.0, 7.0]]]])  # mean 4, variance 5
    expected = np.array([-3, -1, 1, 3]) / 5**0.5
    np.testing.assert_allclose(batch_norm(layer, x, relu=False).numpy().ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(batch_norm(layer, x, relu=True).numpy().ravel(), expected.clip(0), rtol=1e-6)
    # twice nine tenths of what was there and a tenth of the batch's
    np.testing.assert_allclose(layer._mean.numpy(), [0.1 * 4 * 1.9], rtol=1e-6)
    np.testing.assert_allclose(layer._variance.numpy(), [0.81 + 0.1 * 5 * 1.9], rtol=1e-6)


def test_frozen_weights_have_no_gradient():
    """And the bias keeps its own, unlike with Paddle's kernel."""
    rng = np.random.default_rng(0)
    values, upstream = (rng.normal(size=(2, 3, 8, 8)).astype("float32") for _ in range(2))
    frozen = run(lambda layer, x: batch_norm(layer, x, relu=False), values, upstream, frozen=True)
    output, to_x, _, *rest = run(lambda layer, x: batch_norm(layer, x, relu=False), values, upstream)
    for one, two in zip(frozen, (output, to_x, *rest), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("relu", [False, True])
def test_what_is_not_a_number_stays_so(relu):
    x = paddle.ones([1, 2, 2, 2])
    x[0, 1, 0, 0] = float("nan")
    y = batch_norm(nn.BatchNorm2D(2), x, relu).numpy()
    assert np.isfinite(y[0, 0]).all()
    assert np.isnan(y[0, 1]).all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_evaluation_and_small_maps_are_paddles(relu, training, monkeypatch):
    if training:
        monkeypatch.setattr(module, "_MIN_VALUES", 2 * 3 * 4 * 5 + 1)
    layer = layer_of(3)
    layer.training = training
    x = paddle.randn([2, 3, 4, 5])
    expected = F.relu(layer(x)) if relu else layer(x)
    np.testing.assert_array_equal(batch_norm(layer, x, relu).numpy(), expected.numpy())


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: nn.BatchNorm2D(3), True),
        (lambda: nn.BatchNorm2D(3, weight_attr=False), False),
        (lambda: nn.BatchNorm2D(3, bias_attr=False), False),
        (lambda: nn.BatchNorm2D(3, data_format="NHWC"), False),
        (lambda: nn.BatchNorm2D(3, use_global_stats=True), False),
        (lambda: nn.BatchNorm1D(3), False),
        (lambda: nn.GroupNorm(1, 3), False),
    ],
)
def test_where_it_is_used(layer, expected):
    assert fits(layer()) is expected
