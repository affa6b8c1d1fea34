"""Networks accept images of any size: padded to the stride of the network, and the outputs cropped back."""

import copy
from contextlib import nullcontext

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import inference, nn

from helpers import models
from helpers.cpu.layers import fast_training
from helpers.deployment.graphs import GRAPHS, save_graph
from helpers.models.networks import NETWORKS, without_initialisation
from helpers.models.sizes import accept_any_size, remove_padding
from helpers.paddle_compat import old_representation

paddle.set_device("cpu")
ODD = (90, 120)
NARROW = [name for name in models.NAMES if "w48" not in name]  # the W48 pair has the layers of W18, and is slow


def image(*size_hw, batch=2):
    return paddle.to_tensor(np.random.default_rng(0).normal(size=(batch, 3, *size_hw)).astype("float32"))


def plain(name, num_classes=4):
    """The network without hooks."""
    paddle.seed(0)
    net = NETWORKS[name].build(num_classes)
    net.eval()
    return net


def padded(x, stride):
    """Pad by hand, in NumPy."""
    height, width = (-size % stride for size in x.shape[2:])
    return paddle.to_tensor(np.pad(x.numpy(), [(0, 0), (0, 0), (0, height), (0, width)], mode="edge"))


@pytest.mark.parametrize("name", NARROW)
def test_equal_to_the_network_on_an_image_padded_by_hand(name):
    net, x = plain(name), image(*ODD, batch=1)
    stride = NETWORKS[name].stride
    with paddle.no_grad():
        multiple = [output.numpy() for output in net(padded(x, stride))]
        by_hand = [output[:, :, : ODD[0], : ODD[1]] for output in multiple]
        accept_any_size(net, stride)
        for outputs, expected in ((net(x), by_hand), (net(padded(x, stride)), multiple)):
            assert len(outputs) == len(expected)
            for output, values in zip(outputs, expected, strict=True):
                np.testing.assert_array_equal(output.numpy(), values)


@pytest.mark.parametrize("name", models.NAMES)
def test_the_stride_divides_every_map(name):
    """At one multiple of the stride every map is a whole fraction of the image; at half a stride more, some is not."""
    pooled = ("ppm", "psp_module", "aspp", "spatial_ocr", "gap_conv", "context.")
    with without_initialisation():
        net = NETWORKS[name].build(19)

    def whole(size):
        layers = [layer for layer in models.cost(net, (size, size)).layers if layer.out_hw[0] > 1]
        return all(size % layer.out_hw[0] == 0 for layer in layers if not any(part in layer.name for part in pooled))

    stride = NETWORKS[name].stride
    assert whole(3 * stride)
    if name not in FINE:
        assert not whole(2 * stride + stride // 2)


# Their smallest maps do not come from convolutions that follow a stride: U-Net pools. At other sizes their maps are
# resized to each other, see the next test.
FINE = ("unet",)


def test_gradients_equal_those_of_an_image_padded_by_hand():
    gradients = []
    for hooked in (False, True):
        net, x = plain("fastscnn"), image(*ODD)
        net.train()
        for layer in net.sublayers():
            if isinstance(layer, nn.Dropout):
                layer.p = 0
        if hooked:
            outputs = accept_any_size(net, 32)(x)
        else:
            outputs = [output[:, :, : ODD[0], : ODD[1]] for output in net(padded(x, 32))]
        assert [output.shape for output in outputs] == [[2, 4, *ODD]] * 2
        sum((output**2).mean() for output in outputs).backward()
        gradients.append([p.grad.numpy() for p in net.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(one).max())


def test_outputs_of_lower_resolution_are_resized_to_the_padded_size_and_cropped():
    net, x = plain("icnet"), image(*ODD)
    net.train()
    by_hand = [F.interpolate(output, (96, 128), mode="bilinear") for output in net(padded(x, 32))]
    accept_any_size(net, 32)
    for output, expected in zip(net(x), by_hand, strict=True):
        np.testing.assert_allclose(output.numpy(), expected[:, :, : ODD[0], : ODD[1]].numpy(), rtol=1e-4, atol=1e-4)
    assert [output.shape[2:] for output in net(padded(x, 32))] == [[24, 32], [12, 16], [6, 8]]


def test_a_copy_pads_like_its_original_and_uncropped_outputs_cover_the_padded_image():
    net = models.build("uhrnet_w18_small", num_classes=3, seed=0)
    net.eval()
    again = copy.deepcopy(net)
    assert models.stride_of(again) == 64 and models.padded_hw((65, 64), 64) == (128, 64)
    with paddle.no_grad():
        np.testing.assert_array_equal(net(image(*ODD))[0].numpy(), again(image(*ODD))[0].numpy())
        with models.uncropped():
            assert net(image(*ODD))[0].shape == [2, 3, 128, 128]
        assert net(image(*ODD))[0].shape == [2, 3, *ODD]
        remove_padding(net)
        assert models.stride_of(net) == 1
        assert net(image(64, 128))[0].shape == [2, 3, 64, 128]


def test_any_size_under_fast_training():
    net = models.build("fastscnn", num_classes=3, seed=0)
    net.eval()
    with paddle.no_grad():
        expected = net(image(*ODD))[0].numpy()
        with fast_training(net):
            np.testing.assert_allclose(net(image(*ODD))[0].numpy(), expected, rtol=1e-3, atol=1e-3)


class Halved(nn.Layer):
    """Halve the image three times, and resize it back."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*(nn.Conv2D(3, 3, 3, stride=2, padding=1) for _ in range(3)))

    def forward(self, x):
        return [F.interpolate(self.body(x), paddle.shape(x)[2:], mode="bilinear")]


@pytest.mark.parametrize("old_ir", [False, True])
@pytest.mark.parametrize("size_hw", [(None, None), ODD])
def test_a_traced_graph_pads_and_crops(tmp_path, size_hw, old_ir):
    paddle.seed(0)
    net = accept_any_size(Halved(), 8)
    with old_representation() if old_ir else nullcontext():
        save_graph(GRAPHS["logits"](copy.deepcopy(net)), tmp_path / "model.json", None, size_hw)
    config = inference.Config(
        str(tmp_path / ("model.pdmodel" if old_ir else "model.json")), str(tmp_path / "model.pdiparams")
    )
    config.disable_glog_info()
    config.enable_new_ir(not old_ir)
    predictor = inference.create_predictor(config)
    for size in (ODD, (64, 96), (91, 127)) if size_hw[0] is None else (ODD,):
        with paddle.no_grad():
            expected = net(image(*size))[0].numpy()
        np.testing.assert_allclose(predictor.run([image(*size)])[0].numpy(), expected, atol=1e-4)


def test_multiply_accumulates_count_at_the_padded_size():
    odd, even = models.cost("uhrnet_w18_small", (360, 480)), models.cost("uhrnet_w18_small", (384, 512))
    assert (odd.size_hw, odd.padded_hw) == ((360, 480), (384, 512))
    assert odd.macs == even.macs and odd.share_by_stride() == even.share_by_stride()
    assert models.branches(odd) == models.branches(even)
