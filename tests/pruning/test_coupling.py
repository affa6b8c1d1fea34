"""Coupled channels, against PaddleSlim's own traversal and against networks with filters set to zero."""

import copy

import numpy as np
import paddle
import pytest
from paddle import nn
from paddleseg.models import UNet
from zeroed import with_filters_at_zero

from helpers import paddle_compat
from helpers.models import build, cost
from helpers.pruning import Analysis, apply_plan
from helpers.pruning.coupling import Member, coupled_channels


class Joined(nn.Layer):
    """Two concatenated convolutions, followed by a residual addition and a classifier."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2D(3, 4, 3, padding=1, bias_attr=False)
        self.b = nn.Conv2D(3, 6, 3, padding=1, bias_attr=False)
        self.both = nn.Conv2D(10, 10, 1)
        self.classifier = nn.Conv2D(10, 2, 1)

    def forward(self, x):
        joined = paddle.concat([self.b(x), self.a(x)], axis=1)
        return [self.classifier(joined + self.both(joined))]


class Averaged(nn.Layer):
    """Overlapping averages: each channel enters two of them, so none can be removed."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2D(3, 8, 1)
        self.free = nn.Conv2D(3, 6, 1)
        self.classifier = nn.Conv2D(6, 2, 1)

    def forward(self, x):
        wide = nn.functional.relu(self.wide(x))
        mixed = nn.functional.avg_pool3d(wide.unsqueeze(1), (3, 1, 1), stride=(2, 1, 1)).squeeze(1)
        return [self.classifier(self.free(mixed))]


class Grouped(nn.Layer):
    """Convolution in two groups: removing a channel would make the groups unequal."""

    def __init__(self):
        super().__init__()
        self.before = nn.Conv2D(3, 8, 1)
        self.halves = nn.Conv2D(8, 8, 3, padding=1, groups=2)
        self.after = nn.Conv2D(8, 4, 1)
        self.classifier = nn.Conv2D(4, 2, 1)

    def forward(self, x):
        return [self.classifier(self.after(self.halves(self.before(x))))]


def test_concatenated_and_added_channels_by_hand():
    groups = {group.master: group for group in coupled_channels(Joined())}
    assert {name: group.channels for name, group in groups.items()} == {"a": 4, "b": 6}
    assert set(groups["a"].members) == {
        Member("a.weight", 0, 0, 1, 4),
        Member("both.weight", 0, 6, 1, 10),
        Member("both.weight", 1, 6, 1, 10),
        Member("both.bias", 0, 6, 1, 10),
        Member("classifier.weight", 1, 6, 1, 10),
    }


@pytest.mark.parametrize(("network", "masters"), [(Averaged, ["free"]), (Grouped, ["after"])])
def test_channels_fixed_by_the_structure_are_left_alone(network, masters):
    net = network()
    assert [group.master for group in coupled_channels(net)] == masters
    plan = Analysis(net, (16, 16), "small").plan(0.5)
    assert "classifier" in plan.left_alone and not set(masters) & set(plan.left_alone)


def test_same_groups_as_paddleslim_where_paddleslim_finds_any():
    net = build("fastscnn")
    for layer in net.sublayers():
        if isinstance(layer, nn.Dropout):
            layer.p = 0  # PaddleSlim mistakes the mask of dropout for an output of the network
    names = {parameter.name: path for path, parameter in net.named_parameters()}
    with paddle_compat.slim_guard():
        from paddleslim.dygraph.prune import L1NormFilterPruner

        theirs = {
            names[collection.master_name].removesuffix(".weight"): {
                (names[detail.name], detail.axis) for detail in collection.all_pruning_details() if detail.name in names
            }
            for collection in L1NormFilterPruner(net, [1, 3, 64, 128]).collections
        }
    ours = {group.master: {(m.tensor, m.axis) for m in group.members} for group in coupled_channels(net)}
    assert len(theirs) > 10
    for master, members in theirs.items():
        assert ours[master] == members, master
    assert sorted(set(ours) - set(theirs)) == [  # concatenated channels
        "global_feature_extractor.bottleneck3.0.block.2._conv",
        *(f"global_feature_extractor.ppm.stages.{stage}.1._conv" for stage in range(4)),
    ]


NETWORKS = {
    "fastscnn": lambda: build("fastscnn"),
    "hrnet_w18_small_v2": lambda: build("hrnet_w18_small_v2"),
    "uhrnet_w18_small": lambda: build("uhrnet_w18_small"),
    "unet": lambda: UNet(19),
    "joined": Joined,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_pruned_networks_equal_networks_with_those_filters_at_zero(name):
    paddle.seed(3)
    net = NETWORKS[name]()
    rng = np.random.default_rng(3)
    for layer in net.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            layer.bias.set_value(rng.uniform(-0.3, 0.3, layer.bias.shape).astype(np.float32))
            layer._mean.set_value(rng.uniform(-0.2, 0.2, layer._mean.shape).astype(np.float32))
    net.eval()
    plan = Analysis(net, (64, 96), name).plan(0.4)
    assert plan.cut > 0.3

    zeroed = with_filters_at_zero(net, plan)
    pruned = apply_plan(copy.deepcopy(net), plan)
    assert cost(pruned, (64, 96)).macs == plan.macs_after
    x = paddle.to_tensor(rng.normal(size=(1, 3, 64, 96)).astype(np.float32))
    with paddle.no_grad():
        expected, got, unpruned = (network(x)[0].numpy() for network in (zeroed, pruned, net))
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(got - unpruned).max() > 0.01 * np.abs(unpruned).max()


@pytest.mark.parametrize("name", ["fastscnn", "hrnet_w18_small_v2", "unet"])
def test_all_filters_but_those_of_the_classifier_are_prunable(name):
    net = NETWORKS[name]()
    plan = Analysis(net, (64, 96), name).plan(0.0)
    assert plan.left_alone == (cost(net, (64, 96)).layers[-1].name,)


def test_averaged_neighbours_are_coupled():
    """U-HRNet halves channels by averaging pairs, so one channel after the average couples two or four before it."""
    net = NETWORKS["uhrnet_w18_small"]()
    analysis = Analysis(net, (64, 96), "uhrnet_w18_small")
    widths = {member.width for group in analysis.coupled for member in group.members}
    assert widths == {1, 2, 4}
    assert analysis.plan(0.0).left_alone == ("head.cls",)
