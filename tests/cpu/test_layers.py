"""Faster layers have the values and gradients of the operators that they replace."""

import gc
from contextlib import nullcontext
from functools import partial

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import models
from helpers.cpu import layers


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 2), st.tuples(*[st.integers(1, 40)] * 2), st.booleans(), st.integers(0, 2**31 - 1)
)
def test_bilinear_equals_paddles(old, new, align_corners, seed):
    values = np.random.default_rng(seed).random((2, 3, *old), dtype=np.float32)
    upstream = np.random.default_rng(seed + 1).random((2, 3, *new), dtype=np.float32)
    results = []
    for function in (
        lambda x: layers.bilinear(x, list(new), align_corners),
        lambda x: F.interpolate(x, list(new), mode="bilinear", align_corners=align_corners),
    ):
        x = paddle.to_tensor(values, stop_gradient=False)
        y = function(x)
        y.backward(paddle.to_tensor(upstream))
        results.append((y.numpy(), x.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=1e-5)


def test_bilinear_doubling_by_hand():
    x = paddle.to_tensor([[[[0.0, 4.0]]]])
    np.testing.assert_allclose(layers.bilinear(x, [1, 4]).numpy().ravel(), [0, 1, 3, 4])


@pytest.fixture
def net():
    """Fast-SCNN with biases and statistics that are not at their initial values."""
    net = models.build("fastscnn", num_classes=5, seed=0)
    generator = np.random.default_rng(0)
    for name, tensor in net.state_dict().items():
        if name.endswith(("bias", "_mean")):
            tensor.set_value(generator.normal(0, 0.1, tensor.shape).astype("float32"))
    return net.to(dtype="float64")  # batch norm amplifies rounding, which could hide an error


def outputs_and_gradients(net, x):
    net.clear_gradients()
    outputs = net(x)
    sum(output.square().mean() for output in outputs).backward()
    gradients = {name: p.grad.numpy() for name, p in net.named_parameters() if p.grad is not None}
    return [output.numpy() for output in outputs], gradients


def test_training_step_is_equal(net):
    paddle.seed(0)
    x = paddle.rand([2, 3, 64, 64], "float64")
    net.train()
    for layer in net.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.p = 0.0
    plain, plain_gradients = outputs_and_gradients(net, x)
    with layers.fast_training(net):
        fast, fast_gradients = outputs_and_gradients(net, x)
    np.testing.assert_allclose(fast, plain, atol=1e-9)
    for name, gradient in plain_gradients.items():
        # The gradient of the omitted biases is zero up to rounding.
        expected = fast_gradients.get(name, np.zeros_like(gradient))
        np.testing.assert_allclose(gradient, expected, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["hrnet_w18_small_v2", "uhrnet_w18_small", "fastscnn"])
def test_networks_in_float32_equal_paddles(name):
    """oneDNN computes float32 only, so the tests in float64 do not cover it."""
    paddle.seed(0)
    net = models.build(name, seed=0)
    x, upstream = paddle.rand([2, 3, 64, 128]), paddle.randn([2, 19, 64, 128])
    found = []
    for how in (nullcontext, lambda: layers.fast_training(net), lambda: layers.fast_prediction(net)):
        with how():
            net.eval()  # no dropout
            image = x.clone()
            image.stop_gradient = False
            logits = net(image)[0]
            (logits * upstream).sum().backward()
            found.append((logits.numpy(), image.grad.numpy()))
            net.clear_gradients()
    logits, gradient = found[0]
    for other_logits, other_gradient in found[1:]:
        np.testing.assert_allclose(logits, other_logits, atol=1e-5 * np.abs(logits).max())
        # Rounding moves some values across the kink of a ReLU, which changes a patch of the gradient.
        assert np.linalg.norm(gradient - other_gradient) < 1e-2 * np.linalg.norm(gradient)
    assert not any("forward" in layer.__dict__ for layer in net.sublayers(include_self=True))


def test_evaluation_during_training_restores_forwards(net):
    """The forwards of fast training are restored, and so are those that someone else has replaced."""
    norm = next(layer for layer in net.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D))
    norm.forward = norm.forward
    with layers.fast_training(net):
        during = {name: layer.__dict__.get("forward") for name, layer in net.named_sublayers()}
        with layers.fast_prediction(net):
            pass
        assert {name: layer.__dict__.get("forward") for name, layer in net.named_sublayers()} == during
    assert [layer for layer in net.sublayers() if "forward" in layer.__dict__] == [norm]


def test_evaluation_is_equal_afterwards(net):
    x = paddle.rand([1, 3, 64, 64], "float64")
    net.eval()
    before = net(x)[0].numpy()
    names = list(net.state_dict())
    with layers.fast_training(net):
        pass
    np.testing.assert_allclose(net(x)[0].numpy(), before, atol=1e-9)
    assert list(net.state_dict()) == names
    assert F.interpolate.__module__.startswith("paddle")


@pytest.mark.parametrize("options", [{"padding_mode": "reflect"}, {"padding": "valid"}, {"padding": [1, 1, 0, 0]}])
def test_convolutions_with_other_padding_are_left_to_paddle(options):
    block = paddle.nn.Layer()
    block._conv = paddle.nn.Conv2D(3, 4, 3, **{"padding": 1, **options})
    block._conv.bias.set_value(paddle.arange(4, dtype="float32"))
    block._batch_norm = paddle.nn.BatchNorm2D(4)
    block.forward = lambda x: block._batch_norm(block._conv(x))
    x = paddle.rand([2, 3, 8, 9])
    expected = block(x).numpy()
    with layers.fast_training(block):
        np.testing.assert_allclose(block(x).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_interpolate_is_restored_after_an_error(net):
    original = F.interpolate
    with pytest.raises(RuntimeError), layers.fast_training(net):
        assert F.interpolate is not original
        raise RuntimeError
    assert F.interpolate is original


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "ours"),
    [
        ((2, 1, 6, 5, 4), (2, 1, 1), (2, 1, 1), 0, True),
        ((1, 2, 9, 3, 3), [3, 1, 1], [3, 1, 1], 0, True),
        ((2, 1, 7, 5, 4), (2, 1, 1), (2, 1, 1), 0, False),  # an odd channel remains
        ((2, 1, 6, 6, 4), (2, 2, 1), (2, 2, 1), 0, False),
        ((2, 1, 6, 6, 4), (2, 1, 1), (1, 1, 1), 0, False),
        ((2, 1, 6, 6, 4), (2, 1, 1), (2, 1, 1), (1, 0, 0), False),
        ((2, 1, 6, 6, 4), 2, None, 0, False),
    ],
)
def test_means_of_channels_equal_paddles(monkeypatch, shape, kernel, stride, padding, ours):
    arguments = (kernel, stride, padding) if padding else (kernel, stride)
    found, products, matmul = [], [], paddle.matmul

    def spy(*args):
        products.append(args)
        return matmul(*args)

    for function in (F.avg_pool3d, partial(layers._avg_pool3d, F.avg_pool3d)):
        x = paddle.to_tensor(np.random.default_rng(0).random(shape, dtype=np.float32), stop_gradient=False)
        y = function(x, *arguments)
        y.backward(paddle.arange(y.size, dtype="float32").reshape(y.shape))
        found.append((y.numpy(), x.grad.numpy()))
        monkeypatch.setattr(paddle, "matmul", spy)
    for theirs, mine in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)
    assert bool(products) is ours


def test_garbage_collector_is_restored_after_an_error(net):
    with pytest.raises(RuntimeError), layers.fast_training(net):
        assert gc.get_freeze_count() > 0
        raise RuntimeError
    assert gc.get_freeze_count() == 0
