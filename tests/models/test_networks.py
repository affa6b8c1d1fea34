"""Networks by name and what they cost."""

import numpy as np
import paddle
import pytest
from paddle import nn

from helpers import models
from helpers.common.errors import CourseError


# Counted before this code was written, by hooks on a real forward pass; U-HRNet's paper lists the W48 pair. Parameters
# of U-HRNet are published with `backbone.last_layer`, which never runs: 13.3 and 182.6 million.
@pytest.mark.parametrize(
    ("name", "size_hw", "gmacs", "params_million"),
    [
        ("fastscnn", (1024, 2048), 7.247, 1.4),
        ("hrnet_w18_small_v1", (512, 1024), 8.3, 1.5),
        ("hrnet_w18_small_v2", (512, 1024), 19.2, 4.0),
        ("uhrnet_w18_small", (512, 1024), 19.6, 13.24),
        ("hrnet_w18", (512, 1024), 36.9, 9.7),
        ("hrnet_w48", (512, 1024), 186.9, 65.9),
        ("uhrnet_w48", (512, 1024), 187.5, 181.94),
    ],
)
def test_published_costs(name, size_hw, gmacs, params_million):
    cost = models.cost(name, size_hw)
    assert cost.gmacs == pytest.approx(gmacs, abs=0.06 if gmacs > 8 else 0.0005)
    assert cost.params / 1e6 == pytest.approx(params_million, abs=0.11)


def test_parameters_that_never_run_do_not_count():
    net = models.build("uhrnet_w18_small")
    unused = [p for p in net.backbone.last_layer.parameters() if not p.stop_gradient]
    built = sum(p.size for p in net.parameters() if not p.stop_gradient)
    assert len(unused) == 6  # two convolutions with bias and a batch norm
    assert models.cost(net, (64, 64)).params == built - sum(p.size for p in unused)
    # They get no gradient either.
    net(paddle.rand([1, 3, 64, 64]))[0].sum().backward()
    assert all(p.grad is None for p in unused)
    for name in ("hrnet_w18_small_v1", "unet", "icnet"):
        other = models.build(name)
        other.eval()
        expected = sum(p.size for n, p in other.named_parameters() if "auxlayer" not in n and not p.stop_gradient)
        assert models.cost(other, (64, 64)).params == expected, name


def test_auxiliary_head_counts_only_on_request():
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
    share = models.cost("uhrnet_w18_small", (512, 1024)).share_by_stride()
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
    for layer in net.sublayers():
        if isinstance(layer, nn.Conv2D) and layer.weight.size > 2000:
            expected = (2 / np.prod(layer.weight.shape[1:])) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.15)


def test_outputs_have_the_size_of_the_image():
    net = models.build("fastscnn", num_classes=5)
    outputs = net(paddle.zeros([2, 3, 64, 96]))
    assert [output.shape for output in outputs] == [[2, 5, 64, 96]] * 2


def test_unknown_name():
    with pytest.raises(CourseError, match="'hrnet'.*uhrnet_w48"):
        models.build("hrnet")


# One of each kind; the wider ones are built by the same code.
KINDS = ["hrnet_w18_small_v1", "uhrnet_w18_small", "hrnet_w18_small_v1_ocr", "fastscnn"]
KINDS += ["unet", "deeplabv3p", "pspnet", "icnet", "bisenetv2"]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_counted_as_it_computes_and_trains_with_its_recipe(name):
    """Convolutions counted by hooks, from the shapes that they really wrote; then one step of the published recipe."""
    from helpers.profiles import load_profile
    from helpers.training import segmentation_loss

    net = models.build(name, seed=0)
    net.eval()
    counted = []

    def hook(layer, inputs, output):
        counted.append(int(np.prod(layer.weight.shape[1:])) * output.size)

    hooks = [
        layer.register_forward_post_hook(hook)
        for layer_name, layer in net.named_sublayers()
        if isinstance(layer, nn.Conv2D) and "auxlayer" not in layer_name
    ]
    assert net(paddle.zeros([1, 3, 64, 128]))[0].shape == [1, 19, 64, 128]
    for each in hooks:
        each.remove()
    assert models.cost(net, (64, 128)).macs == sum(counted)

    recipe = load_profile("cityscapes").recipe(name)
    net.train()
    outputs = net(paddle.rand([2, 3, 64, 64]))
    assert len(outputs) == len(recipe.aux_weights)
    label = paddle.randint(0, 19, [2, 64, 64])
    loss = segmentation_loss(outputs, label, recipe.aux_weights, losses=recipe.losses)
    loss.backward()
    assert np.isfinite(loss.item())
    assert bool((net.parameters()[0].grad != 0).any())


def test_auxiliary_heads_are_not_part_of_the_cost():
    """What only training needs: PSPNet's and ICNet's extra classifiers, BiSeNetV2's four; OCR's regions are needed."""
    for name, parts in (("pspnet", ["auxlayer"]), ("icnet", ["auxlayer_"]), ("bisenetv2", ["aux_head1", "aux_head4"])):
        net = models.build(name)
        everything = sum(p.size for p in net.parameters() if not p.stop_gradient)
        assert models.cost(net, (64, 64)).params < everything
        assert models.cost(net, (64, 64), auxiliary=True).params == everything
        names = [layer.name for layer in models.cost(net, (64, 64)).layers]
        assert not any(part in layer for part in parts for layer in names)
    ocr = models.cost("uhrnet_w18_small_ocr", (64, 64))
    assert any("aux_head" in layer.name for layer in ocr.layers)


def test_icnet_has_three_resolutions_in_training_and_the_image_s_in_evaluation():
    net = models.build("icnet", num_classes=7, seed=0)
    net.train()
    assert [output.shape for output in net(paddle.rand([2, 3, 64, 128]))] == [
        [2, 7, 16, 32],
        [2, 7, 8, 16],
        [2, 7, 4, 8],
    ]
    net.eval()
    assert [output.shape for output in net(paddle.rand([1, 3, 70, 130]))] == [[1, 7, 70, 130]]


def test_icnet_s_deep_stages_work_at_a_thirty_second():
    """The point of the design: the two last stages, which hold most of ResNet50, see a quarter of the image, 1/32."""
    cost = models.cost("icnet", (256, 512))
    deep = [layer for layer in cost.layers if layer.name.startswith(("backbone.bb_2", "backbone.bb_3"))]
    assert {layer.out_hw for layer in deep} == {(8, 16)}
    alone = models.cost("pspnet", (256, 512))
    assert cost.gmacs < alone.gmacs / 5


@pytest.mark.parametrize(
    ("name", "strides", "channels"),
    [
        (
            "hrnet_w18_small_v2",
            {0: {2, 4}, 1: {4}, 2: {4, 8}, 3: {4, 8, 16}, 4: {4, 8, 16, 32}},
            {(1, 4): 256, (2, 4): 18, (2, 8): 36, (4, 32): 144},
        ),
        (
            "uhrnet_w18_small",
            {
                0: {2, 4}, 1: {4}, 2: {4, 8}, 3: {8, 16}, 4: {16, 32}, 5: {32, 64},
                6: {16, 32}, 7: {8, 16}, 8: {4, 8}, 9: {4},
            },
            {(5, 64): 288, (5, 32): 144, (8, 4): 18},
        ),
    ],
)  # fmt: skip
def test_branches_as_the_papers_draw_them(name, strides, channels):
    cost = models.cost(name, (512, 1024))
    branches = models.branches(cost)
    found = {}
    for branch in branches:
        found.setdefault(branch.stage, set()).add(branch.stride)
    assert found == strides
    place = {(branch.stage, branch.stride): branch for branch in branches}
    assert {key: place[key].channels for key in channels} == channels
    head = sum(layer.macs for layer in cost.layers if not layer.name.startswith("backbone."))
    assert sum(branch.macs for branch in branches) + head == cost.macs


def test_branches_of_another_network():
    with pytest.raises(CourseError, match="no HRNet stages"):
        models.branches(models.cost(models.build("fastscnn"), (64, 64)))


def test_counting_by_name_needs_no_weights_and_building_still_draws_them():
    assert models.cost("fastscnn", (64, 64)) == models.cost(models.build("fastscnn"), (64, 64))
    assert models.build("fastscnn", seed=0).classifier.conv.weight.std().item() > 0


def test_latency_is_a_median_between_its_limits_and_leaves_the_mode_alone():
    net = models.build("fastscnn")
    net.train()
    middle, low, high = models.latency_ms(net, (64, 64), repeats=3)
    assert 0 < low <= middle <= high and net.training


def test_the_table_on_the_command_line(capsys, monkeypatch):
    from helpers.models.__main__ import main

    monkeypatch.setattr("sys.argv", ["models", "--size", "1024x2048", "--only", "fastscnn"])
    assert main() == 0
    assert "| Fast-SCNN | fastscnn | 1.40 | 7.2 |" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["models", "--size", "big"])
    assert main() == 2
    assert "write for example 512x1024" in capsys.readouterr().err
