"""Networks by name and what they cost."""

import numpy as np
import paddle
import pytest
from paddle import nn

from helpers import models
from helpers.errors import CourseError


# Counted before this code was written, by hooks on a real forward pass; U-HRNet's paper has the W48 pair.
@pytest.mark.parametrize(
    ("name", "size_hw", "gmacs", "params_million"),
    [
        ("fastscnn", (1024, 2048), 7.247, 1.4),
        ("hrnet_w18_small_v1", (512, 1024), 8.3, 1.5),
        ("hrnet_w18_small_v2", (512, 1024), 19.2, 4.0),
        ("uhrnet_w18_small", (512, 1024), 19.6, 13.3),
        ("hrnet_w18", (512, 1024), 36.9, 9.7),
        ("hrnet_w48", (512, 1024), 186.9, 65.9),
        ("uhrnet_w48", (512, 1024), 187.5, 182.6),
    ],
)
def test_published_costs(name, size_hw, gmacs, params_million):
    cost = models.cost(models.build(name), size_hw)
    assert cost.gmacs == pytest.approx(gmacs, abs=0.06 if gmacs > 8 else 0.0005)
    assert cost.params / 1e6 == pytest.approx(params_million, abs=0.11)


def test_auxiliary_head_counts_only_when_asked():
    assert models.cost(models.build("fastscnn"), (1024, 2048), auxiliary=True).gmacs == pytest.approx(7.870, abs=5e-4)


@pytest.mark.parametrize(
    ("layer", "size_hw", "macs"),
    [
        (nn.Conv2D(3, 8, 3, padding=1), (4, 6), 3 * 3 * 3 * 8 * 4 * 6),
        (nn.Conv2D(8, 8, 3, stride=2, padding=1, groups=8), (5, 5), 9 * 8 * 3 * 3),
        (nn.Conv2D(4, 2, (1, 5), padding=(0, 2)), (3, 9), 5 * 4 * 2 * 27),
        (nn.Conv2D(4, 2, 3, dilation=2), (9, 9), 9 * 4 * 2 * 25),
        (nn.Conv2D(4, 2, 3, stride=2, padding="same"), (7, 8), 9 * 4 * 2 * 4 * 4),
    ],
)
def test_one_convolution_by_hand_and_against_a_real_forward(layer, size_hw, macs):
    class Net(nn.Layer):
        def __init__(self):
            super().__init__()
            self.widen = nn.Conv2D(3, layer.weight.shape[1] * layer._groups, 1)
            self.conv = layer

        def forward(self, x):
            return [self.conv(self.widen(x))]

    net = Net()
    counted = models.cost(net, size_hw).layers[1]
    real = net(paddle.zeros([1, 3, *size_hw]))[0]
    assert list(counted.out_hw) == real.shape[2:]
    assert counted.macs == macs


def test_counting_leaves_the_network_as_it_was():
    net = models.build("hrnet_w18_small_v1", seed=3)
    net.train()
    x = paddle.rand([1, 3, 32, 64])
    net.eval()
    before = net(x)[0].numpy()
    net.train()
    models.cost(net, (64, 64))
    assert net.training
    net.eval()
    np.testing.assert_array_equal(net(x)[0].numpy(), before)


def test_shares_by_stride_add_up():
    share = models.cost(models.build("uhrnet_w18_small"), (512, 1024)).share_by_stride()
    assert set(share) == {2, 4, 8, 16, 32, 64}
    assert sum(share.values()) == pytest.approx(1)


def test_seed_gives_the_same_weights():
    one, same, other = (models.build("fastscnn", seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[key], same[key]) for key in one)
    assert any(not np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", ["fastscnn", "hrnet_w18_small_v2", "uhrnet_w18_small"])
def test_weights_start_at_the_scale_of_their_inputs(name):
    """He et al. 2015: standard deviation sqrt(2 / inputs), where a depthwise filter has k * k inputs."""
    net = models.build(name, seed=0)
    classifier = net.classifier.conv if name == "fastscnn" else net.head.cls
    for layer in net.sublayers():
        if isinstance(layer, nn.Conv2D) and layer is not classifier and layer.weight.size > 2000:
            expected = (2 / np.prod(layer.weight.shape[1:])) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.15)


def test_outputs_have_the_size_of_the_image():
    net = models.build("fastscnn", num_classes=5)
    outputs = net(paddle.zeros([2, 3, 64, 96]))
    assert [output.shape for output in outputs] == [[2, 5, 64, 96]] * 2


def test_unknown_name():
    with pytest.raises(CourseError, match="'hrnet'.*uhrnet_w48"):
        models.build("hrnet")
