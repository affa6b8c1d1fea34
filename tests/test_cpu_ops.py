"""Faster equals: same values and gradients as the operators they stand for."""

from contextlib import nullcontext

import numba
import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import cpu_ops, models


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 2), st.tuples(*[st.integers(1, 40)] * 2), st.booleans(), st.integers(0, 2**31 - 1)
)
def test_bilinear_equals_paddles(old, new, align_corners, seed):
    values = np.random.default_rng(seed).random((2, 3, *old), dtype=np.float32)
    upstream = np.random.default_rng(seed + 1).random((2, 3, *new), dtype=np.float32)
    results = []
    for function in (
        lambda x: cpu_ops.bilinear(x, list(new), align_corners),
        lambda x: F.interpolate(x, list(new), mode="bilinear", align_corners=align_corners),
    ):
        x = paddle.to_tensor(values, stop_gradient=False)
        y = function(x)
        y.backward(paddle.to_tensor(upstream))
        results.append((y.numpy(), x.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=1e-5)


def test_doubling_by_hand():
    x = paddle.to_tensor([[[[0.0, 4.0]]]])
    np.testing.assert_allclose(cpu_ops.bilinear(x, [1, 4]).numpy().ravel(), [0, 1, 3, 4])


@pytest.fixture
def net():
    """Fast-SCNN with biases and statistics that are not at their initial values."""
    net = models.build("fastscnn", num_classes=5, seed=0)
    generator = np.random.default_rng(0)
    for name, tensor in net.state_dict().items():
        if name.endswith(("bias", "_mean")):
            tensor.set_value(generator.normal(0, 0.1, tensor.shape).astype("float32"))
    return net.to(dtype="float64")  # so that rounding, which batch norm magnifies, hides nothing


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
    with cpu_ops.fast_training(net):
        fast, fast_gradients = outputs_and_gradients(net, x)
    np.testing.assert_allclose(fast, plain, atol=1e-9)
    for name, gradient in plain_gradients.items():
        # The biases that were left out have no gradient but rounding.
        expected = fast_gradients.get(name, np.zeros_like(gradient))
        np.testing.assert_allclose(gradient, expected, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["hrnet_w18_small_v2", "uhrnet_w18_small", "fastscnn"])
def test_our_kernels_in_a_whole_network(name):
    """In float32, where they are used; above they are not."""
    paddle.seed(0)
    net = models.build(name, seed=0)
    x, upstream = paddle.rand([2, 3, 128, 256]), paddle.randn([2, 19, 128, 256])
    found = []
    for how in (nullcontext, lambda: cpu_ops.fast_training(net), lambda: cpu_ops.fast_convolutions(net)):
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
        # Rounding takes some values across the kink of a ReLU, and then a patch of the gradient changes.
        assert np.linalg.norm(gradient - other_gradient) < 1e-2 * np.linalg.norm(gradient)
    assert not any("forward" in layer.__dict__ for layer in net.sublayers(include_self=True))


def test_an_evaluation_in_the_middle_of_training_changes_nothing(net):
    """Training stays fast after it, and so does what others put in place of a layer's forward."""
    norm = next(layer for layer in net.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D))
    norm.forward = norm.forward
    with cpu_ops.fast_training(net, own_blocks=False):
        during = {name: layer.__dict__.get("forward") for name, layer in net.named_sublayers()}
        with cpu_ops.fast_convolutions(net):
            pass
        assert {name: layer.__dict__.get("forward") for name, layer in net.named_sublayers()} == during
    assert [layer for layer in net.sublayers() if "forward" in layer.__dict__] == [norm]


@pytest.mark.parametrize("name", ["hrnet_w18_small_v2", "fastscnn", "unet"])
def test_own_blocks_in_a_training_step(name):
    """Loss, gradients and running statistics of a whole network in float32, with Paddle's norms and with ours."""
    x, upstream = paddle.rand([2, 3, 128, 256]), paddle.randn([2, 19, 128, 256])
    found = []
    for own_blocks in (False, True):
        net = models.build(name, seed=0)
        net.train()
        for layer in net.sublayers():
            if isinstance(layer, paddle.nn.Dropout):
                layer.p = 0.0
        with cpu_ops.fast_training(net, own_blocks=own_blocks):
            logits = net(x)[0]
            (logits * upstream).mean().backward()
        gradients = np.concatenate([p.grad.numpy().ravel() for p in net.parameters() if p.grad is not None])
        norms = [layer for layer in net.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)]
        statistics = np.concatenate([s.numpy() for norm in norms for s in (norm._mean, norm._variance)])
        found.append((logits.numpy(), gradients, statistics))
        assert not any("forward" in layer.__dict__ for layer in net.sublayers(include_self=True))
    for theirs, ours in zip(*found, strict=True):
        # Rounding takes some values across the kink of a ReLU, and the norm of two pooled values magnifies it.
        assert np.linalg.norm(theirs - ours) < 3e-2 * np.linalg.norm(theirs)


def test_evaluation_is_equal_afterwards(net):
    x = paddle.rand([1, 3, 64, 64], "float64")
    net.eval()
    before = net(x)[0].numpy()
    names = list(net.state_dict())
    with cpu_ops.fast_training(net):
        pass
    np.testing.assert_allclose(net(x)[0].numpy(), before, atol=1e-9)
    assert list(net.state_dict()) == names
    assert F.interpolate.__module__.startswith("paddle")


def test_interpolation_is_given_back_after_an_error(net):
    original = F.interpolate
    with pytest.raises(RuntimeError), cpu_ops.fast_training(net):
        assert F.interpolate is not original
        raise RuntimeError
    assert F.interpolate is original


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(2, 19), st.tuples(*[st.integers(1, 90)] * 2), st.integers(0, 2**31 - 1))
def test_cross_entropy_equals_paddles(n, classes, size, seed):
    rng = np.random.default_rng(seed)
    label = paddle.to_tensor(rng.choice([*range(classes), 255], (n, *size)))
    label[0, 0, 0] = 0  # at least one counts
    weights = paddle.to_tensor(rng.uniform(0.2, 5, classes).astype("float32"))
    values = rng.normal(0, 5, (n, classes, *size)).astype("float32")
    results = []
    for function in (
        lambda x: cpu_ops.cross_entropy(x, label, weights, 255),
        lambda x: F.cross_entropy(x, label, weight=weights, ignore_index=255, axis=1),
    ):
        x = paddle.to_tensor(values, stop_gradient=False)
        loss = function(x)
        (3 * loss).backward()
        results.append((loss.item(), x.grad.numpy()))
    (ours, our_gradient), (theirs, their_gradient) = results
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)  # a loss near 0 is what is left of numbers near 1
    np.testing.assert_allclose(our_gradient, their_gradient, atol=1e-5)


def test_cross_entropy_does_not_depend_on_the_number_of_threads():
    logits, label = paddle.randn([2, 19, 100, 100]), paddle.randint(0, 19, [2, 100, 100])
    weights = paddle.ones([19])
    many = cpu_ops.cross_entropy(logits, label, weights, 255).item()
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        assert cpu_ops.cross_entropy(logits, label, weights, 255).item() == many
    finally:
        numba.set_num_threads(threads)


def test_exponential_is_exact_to_float32():
    x = np.linspace(-87, 0, 100_001, dtype=np.float32)
    out, power = np.empty_like(x), np.empty(x.size, np.int32)
    cpu_ops.exp_to(x, np.zeros_like(x), power, out)
    np.testing.assert_allclose(out, np.exp(x.astype(np.float64)), rtol=2e-7)
    cpu_ops.exp_to(np.full(1, -1e30, np.float32), np.zeros(1, np.float32), power[:1], out[:1])
    assert 0 < out[0] < 1e-37


@pytest.mark.parametrize(
    ("name", "longest"), [("fastscnn", 3), ("hrnet_w18_small_v2", 3), ("uhrnet_w18_small", 3), ("unet", 2)]
)
def test_which_layers_run_together(name, longest):
    """Each layer of a convolution and a norm is in one run; bottlenecks are the longest."""
    net = models.build(name)
    runs = cpu_ops._runs(net)
    members = [block for run in runs for block in run]
    blocks = [layer for layer in net.sublayers() if type(layer) in cpu_ops._BLOCKS]
    assert len(members) == len(set(members)) == len(blocks)
    assert max(map(len, runs)) == longest
