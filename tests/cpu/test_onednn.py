"""Convolutions by oneDNN, alone and with batch norm, against Paddle's own, and against values worked by hand."""

import threading

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from helpers.cpu import onednn

pytestmark = pytest.mark.skipif(not onednn.available(), reason="this Paddle brings no oneDNN")


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


@pytest.mark.parametrize("channels", [(5, 7), (16, 32), (48, 16)])  # as they are, and in blocks of 16
@pytest.mark.parametrize("padding", [1, "same"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (6, 1), (8, 16), (9, 11), (10, 5), (40, 70)])
def test_equals_paddles(size_hw, stride, padding, channels):
    filters, inputs = channels
    compare((3, inputs, *size_hw), (filters, inputs, 3, 3), stride, padding, 1, 1)


@pytest.mark.parametrize("channels", [5, 32])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (8, 16), (9, 11), (10, 5)])
def test_one_filter_a_channel(size_hw, stride, channels):
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


def test_by_hand():
    x = paddle.to_tensor(np.arange(9, dtype="float32").reshape(1, 1, 3, 3))
    ones = paddle.ones([1, 1, 3, 3])
    assert onednn.conv2d(x, ones, 1, 1).numpy()[0, 0].tolist() == [[8, 15, 12], [21, 36, 27], [20, 33, 24]]
    assert onednn.conv2d(x, ones, 2, 1).numpy()[0, 0].tolist() == [[8, 12], [20, 24]]


@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_what_is_frozen_has_no_gradient(frozen):
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


def test_the_same_bits_each_time():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 18, 32, 64)).astype("float32"), rng.normal(size=(18, 18, 3, 3)).astype("float32")
    first = run(lambda x, w: onednn.conv2d(x, w, 1, 1), x, weight)
    for _ in range(5):
        for one, two in zip(first, run(lambda x, w: onednn.conv2d(x, w, 1, 1), x, weight), strict=True):
            np.testing.assert_array_equal(one, two)


def test_several_threads_at_once():
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


def test_refused_shapes_are_told():
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
def test_where_it_is_used(layer, expected):
    assert onednn.fits(layer()) is expected


def normalised(shape, filters, geometry, relu, ours, frozen=None):
    """The output, all gradients and the running statistics of a convolution with its norm, as arrays."""
    paddle.seed(0)
    layer = nn.Conv2D(shape[1], filters, bias_attr=False, **geometry)
    norm = nn.BatchNorm2D(filters)
    for tensor in (norm.weight, norm.bias, norm._mean):
        tensor.set_value(paddle.randn([filters]))
    x = paddle.randn(shape)
    x.stop_gradient = False
    if frozen is not None:
        getattr(norm, frozen).stop_gradient = True
    if ours:
        y = onednn.convolve_normalise([onednn.Block(layer, norm, relu)], x)
    else:
        y = F.relu(norm(layer(x))) if relu else norm(layer(x))
    y.backward(paddle.to_tensor(np.random.default_rng(0).normal(size=y.shape).astype("float32")))
    found = {"y": y, "mean": norm._mean, "variance": norm._variance, "x": x.grad, "filters": layer.weight.grad}
    found |= {"scale": norm.weight.grad, "shift": norm.bias.grad}
    return {name: None if value is None else value.numpy() for name, value in found.items()}


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    ("shape", "filters", "geometry"),
    [
        ((4, 18, 16, 24), 18, {"kernel_size": 3, "padding": 1}),  # not in whole vectors of 8 channels
        ((2, 64, 16, 20), 72, {"kernel_size": 3, "padding": "same"}),
        ((2, 3, 40, 63), 64, {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((2, 32, 9, 11), 32, {"kernel_size": 3, "padding": 1, "groups": 32}),
        ((2, 64, 9, 11), 256, {"kernel_size": 1}),
        ((2, 30, 9, 11), 20, {"kernel_size": 1}),
    ],
)
def test_with_batch_norm_it_equals_paddles(shape, filters, geometry, relu):
    theirs, ours = (normalised(shape, filters, geometry, relu, ours) for ours in (False, True))
    for name, expected in theirs.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=name)


def test_batch_norm_by_hand():
    layer, norm = nn.Conv2D(1, 1, 1, bias_attr=False), nn.BatchNorm2D(1, epsilon=0.0)
    layer.weight.set_value(paddle.ones([1, 1, 1, 1]))
    x = paddle.to_tensor([[[[1.0, 3.0]]], [[[5.0, 7.0]]]])  # mean 4, variance 5
    expected = np.array([-3, -1, 1, 3]) / 5**0.5
    for relu in (False, True):
        y = onednn.convolve_normalise([onednn.Block(layer, norm, relu)], x).numpy().ravel()
        np.testing.assert_allclose(y, expected.clip(0) if relu else expected, rtol=1e-6)
    # twice nine tenths of what was there and a tenth of the batch's
    np.testing.assert_allclose(norm._mean.numpy(), [0.1 * 4 * 1.9], rtol=1e-6)
    np.testing.assert_allclose(norm._variance.numpy(), [0.81 + 0.1 * 5 * 1.9], rtol=1e-6)


@pytest.mark.parametrize(("frozen", "gradient"), [("weight", "scale"), ("bias", "shift")])
def test_a_frozen_norm_has_no_gradient_and_the_rest_keeps_its_own(frozen, gradient):
    free, held = (
        normalised((2, 16, 8, 8), 16, {"kernel_size": 3}, True, True, frozen=which) for which in (None, frozen)
    )
    assert held.pop(gradient) is None
    for name, value in held.items():
        np.testing.assert_array_equal(value, free[name], err_msg=name)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (lambda: nn.BatchNorm2D(8), True),
        (lambda: nn.BatchNorm2D(8, weight_attr=False), False),
        (lambda: nn.BatchNorm2D(8, use_global_stats=True), False),
        (lambda: nn.SyncBatchNorm(8), False),
        (lambda: nn.GroupNorm(2, 8), False),
    ],
)
def test_which_norms_it_takes(norm, expected):
    assert onednn.fits_normalised(nn.Conv2D(3, 8, 3), norm()) is expected


@pytest.mark.parametrize("widths", [(16, 48, 16), (18, 36, 18), (8, 20, 64)])  # the same layout all the way, or not
def test_a_run_of_blocks_equals_paddles(widths):
    """Pointwise, depthwise with a stride, pointwise: in one operation and layer by layer."""
    found = []
    for ours in (False, True):
        paddle.seed(0)
        first, middle, last = widths
        layers = [
            nn.Conv2D(first, middle, 1, bias_attr=False),
            nn.Conv2D(middle, middle, 3, stride=2, padding=1, groups=middle, bias_attr=False),
            nn.Conv2D(middle, last, 3, padding="same", bias_attr=False),
        ]
        relus = (True, True, False)
        norms = [nn.BatchNorm2D(layer._out_channels) for layer in layers]
        blocks = [onednn.Block(*block) for block in zip(layers, norms, relus, strict=True)]
        x = paddle.randn([2, first, 21, 30])
        x.stop_gradient = False
        y = x
        if ours:
            y = onednn.convolve_normalise(blocks, x)
        else:
            for layer, norm, relu, _ in blocks:
                y = norm(layer(y))
                y = F.relu(y) if relu else y
        y.backward(paddle.to_tensor(np.random.default_rng(0).normal(size=y.shape).astype("float32")))
        tensors = [y, x.grad]
        for layer, norm, *_ in blocks:
            tensors += [layer.weight.grad, norm.weight.grad, norm.bias.grad, norm._mean, norm._variance]
        found.append([tensor.numpy() for tensor in tensors])
    for theirs, ours in zip(*found, strict=True):
        # A norm takes back what the scale before it does: that gradient is a small difference of large numbers.
        assert np.linalg.norm(ours - theirs) < 5e-3 * np.linalg.norm(theirs)


@pytest.mark.parametrize("channels", [16, 18, 64])  # in blocks, not in whole vectors, more than one block
@pytest.mark.parametrize("wanted", [True, False])
def test_residual_blocks_in_a_row_equal_paddles(channels, wanted):
    """A plain block, then two residual ones of two convolutions, and one of three: in one operation and by layers."""
    found = []
    for ours in (False, True):
        paddle.seed(0)
        past = [0, 0, 2, 0, 2, 0, 0, 3]
        layers = [nn.Conv2D(channels, channels, 3, padding=1, bias_attr=False) for _ in past]
        norms = [nn.BatchNorm2D(channels) for _ in past]
        blocks = [onednn.Block(*block, True, n) for *block, n in zip(layers, norms, past, strict=True)]
        x = paddle.randn([2, channels, 13, 18])
        x.stop_gradient = not wanted
        if ours:
            y = onednn.convolve_normalise(blocks, x)
        else:
            starts, y = [], x
            for i, (layer, norm, _, n) in enumerate(blocks):
                starts.append(y)
                y = norm(layer(y))
                y = F.relu(y + starts[i + 1 - n] if n else y)
        y.backward(paddle.to_tensor(np.random.default_rng(0).normal(size=y.shape).astype("float32")))
        tensors = [y, x.grad] if wanted else [y]
        for layer, norm in zip(layers, norms, strict=True):
            tensors += [layer.weight.grad, norm.weight.grad, norm.bias.grad, norm._mean, norm._variance]
        assert wanted or x.grad is None
        found.append([tensor.numpy() for tensor in tensors])
    for theirs, ours in zip(*found, strict=True):
        # Rounding takes a few values across the kink of a ReLU.
        assert np.linalg.norm(ours - theirs) < 5e-3 * np.linalg.norm(theirs)


def test_a_residual_block_by_hand():
    """The branch gives -1, 1 (normalised), so of the start 0.5, 3 the sum is -0.5, 4; the ReLU cuts the first."""
    layer, norm = nn.Conv2D(1, 1, 1, bias_attr=False), nn.BatchNorm2D(1, epsilon=0.0)
    layer.weight.set_value(paddle.ones([1, 1, 1, 1]))
    x = paddle.to_tensor([[[[0.5, 3.0]]]], stop_gradient=False)
    y = onednn.convolve_normalise([onednn.Block(layer, norm, True, past=1)], x)
    np.testing.assert_allclose(y.numpy().ravel(), [0, 4], rtol=1e-6)
    y.sum().backward()
    # Through the branch nothing comes: a norm of two values knows only which is larger.
    np.testing.assert_allclose(x.grad.numpy().ravel(), [0, 1], atol=1e-6)


def test_the_start_of_a_residual_block_stays_what_it_is():
    layer, norm = nn.Conv2D(16, 16, 3, padding=1, bias_attr=False), nn.BatchNorm2D(16)
    x = paddle.randn([1, 16, 8, 8])
    before = x.numpy().copy()
    x.stop_gradient = False
    y = onednn.convolve_normalise([onednn.Block(layer, norm, True, past=1)], x)
    upstream = paddle.ones(y.shape)
    y.backward(upstream)
    np.testing.assert_array_equal(x.numpy(), before)
    np.testing.assert_array_equal(upstream.numpy(), np.ones(y.shape))


def test_the_first_image_needs_no_gradient():
    block = onednn.Block(nn.Conv2D(3, 8, 3, bias_attr=False), nn.BatchNorm2D(8), True)
    x = paddle.rand([1, 3, 9, 9])
    onednn.convolve_normalise([block], x).sum().backward()
    assert x.grad is None
    assert block.convolution.weight.grad is not None
