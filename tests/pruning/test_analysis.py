"""Plans: by hand, ranking, cuts, and that applying them preserves the network."""

import copy

import numpy as np
import paddle
import pytest
from paddle import nn
from pruned_networks import SIZE, image, logits, two_convolutions
from zeroed import with_filters_at_zero

from helpers.common.errors import CourseError
from helpers.models import cost
from helpers.pruning import Analysis, apply_plan, filter_norms, prune


def test_two_convolutions_by_hand():
    chain = two_convolutions()
    first, second = chain[0].weight.numpy(), chain[2].weight.numpy()
    norms = np.abs(first).sum(axis=(1, 2, 3))
    kept = np.sort(np.argsort(norms)[2:])  # a quarter of eight is removed

    plan = Analysis(chain, (16, 16), "chain").plan(0.25)
    assert [group.name for group in plan.groups] == ["0"]
    assert plan.groups[0].kept == tuple(kept)
    assert plan.left_alone == ("2",)
    # 256 pixels; 3x3 kernels: 3 to 8 and 8 to 4 channels, then 3 to 6 and 6 to 4.
    assert (plan.macs_before, plan.macs_after) == (256 * 9 * (24 + 32), 256 * 9 * (18 + 24))

    smaller = apply_plan(copy.deepcopy(chain), plan)
    np.testing.assert_array_equal(smaller[0].weight.numpy(), first[kept])
    np.testing.assert_array_equal(smaller[0].bias.numpy(), chain[0].bias.numpy()[kept])
    np.testing.assert_array_equal(smaller[2].weight.numpy(), second[:, kept])

    zeroed = copy.deepcopy(chain)
    removed = np.setdiff1d(np.arange(8), kept)
    for parameter in (zeroed[0].weight, zeroed[0].bias):
        values = parameter.numpy()
        values[removed] = 0
        parameter.set_value(values)
    x = paddle.to_tensor(image(16, 16))
    np.testing.assert_allclose(smaller(x).numpy(), zeroed(x).numpy(), atol=1e-5)
    assert np.abs(smaller(x).numpy() - chain(x).numpy()).max() > 1e-3


def test_pruned_network_equals_the_network_with_those_filters_at_zero(net, half):
    pruned, plan = half
    zeroed = with_filters_at_zero(net, plan)
    for size in ((64, 96), (70, 101)):
        expected = logits(zeroed, image(*size))
        np.testing.assert_allclose(logits(pruned, image(*size)), expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected - logits(net, image(*size))).max() > 0.01  # the removed filters had an effect


def test_kept_filters_have_the_largest_norms(net, half):
    norms = filter_norms(net)
    for group in half[1].groups:
        own = norms[group.name]
        assert own[list(group.kept)].min() >= np.delete(own, group.kept).max()


def test_filter_norms_by_hand():
    layer = nn.Conv2D(2, 2, 1)
    layer.weight.set_value(np.array([1, -3, 0, 0.5], np.float32).reshape(2, 2, 1, 1))
    np.testing.assert_allclose(filter_norms(nn.Sequential(layer))["0"], [2, 0.25])


BANK = {  # one input channel, 1x2 kernels: where the criteria disagree
    "l1": ([3, 3], [5, 0], [3, -3.5], [0, 0.1]),
    "l2": ([3, 3], [5, 0], [3, -3.5], [0, 0.1]),
    "fpgm": ([9, 9], [1, 1], [1.1, 1], [1, 1.1]),
}


@pytest.mark.parametrize(
    ("criterion", "kept"),
    [
        ("l1", (0, 2)),  # norms 6, 5, 6.5, 0.1
        ("l2", (1, 2)),  # norms 4.24, 5, 4.61, 0.1
        ("fpgm", None),  # the sum of distances to all other filters
    ],
)
def test_criteria_by_hand(criterion, kept):
    chain = nn.Sequential(nn.Conv2D(3, 1, 1), nn.Conv2D(1, 4, (1, 2)), nn.Conv2D(4, 2, 1))
    chain[1].weight.set_value(np.array(BANK[criterion], np.float32).reshape(4, 1, 1, 2))
    plan = Analysis(chain, (16, 16), "chain").plan({"1": 0.5}, criterion=criterion)
    group = next(group for group in plan.groups if group.name == "1")
    if criterion == "fpgm":
        values = np.array(BANK[criterion])
        distances = np.linalg.norm(values[:, None] - values[None], axis=2).sum(axis=1)
        kept = tuple(np.sort(np.argsort(distances)[2:]))
    assert group.kept == kept and plan.criterion == criterion


def test_random_ranking_is_reproducible(analysis):
    one, same, other = (analysis.plan(0.5, criterion="random", seed=seed) for seed in (1, 1, 2))
    assert one == same and one.groups[0].kept != other.groups[0].kept
    l1 = analysis.plan(0.5)
    assert [len(g.kept) for g in one.groups] == [len(g.kept) for g in l1.groups] and one.macs_after == l1.macs_after


def test_unknown_criterion_and_layer(analysis):
    with pytest.raises(CourseError, match="Unknown criterion 'taylor'.*l1, l2, fpgm, random"):
        analysis.plan(0.5, criterion="taylor")
    with pytest.raises(CourseError, match="no prunable layer 'classifier.conv'"):
        analysis.plan({"classifier.conv": 0.5})
    with pytest.raises(CourseError, match="must lie between 0 and 1, not 1.5"):
        analysis.plan(1.5)


@pytest.mark.parametrize("align", [1, 8, 16])
@pytest.mark.parametrize("cut", [0.3, 0.51, 0.7])
def test_cut_is_reached_within_half_a_percent(analysis, cut, align):
    plan = analysis.plan_for(cut, align=align)
    assert cut <= plan.cut < cut + 0.005
    assert all(len(group.kept) % align == 0 for group in plan.groups)


def test_uniform_plan_removes_the_same_share_from_every_group(analysis):
    plan = analysis.plan_for(0.51)
    shares = [len(group.kept) / group.channels for group in plan.groups]
    assert max(shares) - min(shares) <= 1 / 32 + 1e-9  # the smallest group has 32 channels


def test_macs_at_published_size(net):
    plan = Analysis(net, (1024, 2048)).plan_for(0.51)
    assert plan.macs_before / 1e9 == pytest.approx(7.247, abs=5e-4)
    # Published for an earlier version with 7.21 GMACs: 3.54.
    assert plan.macs_after / 1e9 == pytest.approx(3.53, abs=0.025)


def test_macs_counted_while_the_pruned_network_runs(half):
    pruned, plan = half
    counted = 0

    def count(layer, inputs, output):
        nonlocal counted
        out_channels, in_per_group, height, width = layer.weight.shape
        counted += out_channels * in_per_group * height * width * output.shape[2] * output.shape[3]

    hooks = [
        layer.register_forward_post_hook(count)
        for name, layer in pruned.named_sublayers()
        if isinstance(layer, nn.Conv2D) and not name.startswith("auxlayer")
    ]
    logits(pruned, image(*SIZE))
    for hook in hooks:
        hook.remove()
    assert counted == plan.macs_after == cost(pruned, SIZE).macs


def test_classifier_and_auxiliary_filters_are_kept(net, half):
    pruned, plan = half
    assert "classifier.conv" in plan.left_alone
    assert pruned.classifier.conv.weight.shape[0] == 19
    ranked = {group.name for group in plan.groups}
    assert "classifier.dsconv2.piontwise_conv._conv" in ranked  # before the dropout
    assert not any(name.startswith("auxlayer") for name in ranked)
    assert pruned.auxlayer.conv_bn_relu._conv.weight.shape == [32, len(plan.groups[2].kept), 3, 3]
    assert [output.shape for output in pruned(paddle.to_tensor(image(64, 64, batch=2)))] == [[2, 19, 64, 64]] * 2


def test_pruning_does_not_change_the_original(net):
    net.train()
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    prune(net, 0.3, SIZE)
    after = net.state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name].numpy())
    assert net.training and net.classifier.dropout.p == 0.1 and paddle.in_dynamic_mode()
    net.eval()


def test_same_network_same_plan(net, analysis):
    assert analysis.plan_for(0.4) == Analysis(copy.deepcopy(net), SIZE).plan_for(0.4)


def test_layers_report_their_new_shape(half):
    pruned, plan = half
    conv = pruned.learning_to_downsample.dsconv_bn_relu1.depthwise_conv
    kept = len(plan.groups[0].kept)
    assert (conv._conv._in_channels, conv._conv._out_channels, conv._conv._groups) == (kept, kept, kept)
    assert conv._batch_norm._num_features == kept
    assert not [name for name in pruned.state_dict() if "backup" in name]


def test_pruned_network_trains(net, half):
    pruned = copy.deepcopy(half[0])
    shapes = [parameter.shape for parameter in pruned.parameters()]
    optimiser = paddle.optimizer.Momentum(0.01, parameters=pruned.parameters(), weight_decay=1e-4)
    pruned.train()
    label = paddle.zeros([2, 64, 64], "int64")
    losses = []
    for _ in range(3):
        outputs = pruned(paddle.to_tensor(image(64, 64, batch=2)))
        loss = sum(nn.functional.cross_entropy(output, label, axis=1) for output in outputs)
        loss.backward()
        optimiser.step()
        optimiser.clear_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert [parameter.shape for parameter in pruned.parameters()] == shapes


@pytest.mark.parametrize("cut", [0, 1, -0.2, 1.5, float("nan")])
def test_cut_outside_0_to_1(analysis, cut):
    with pytest.raises(CourseError, match=r"must lie between 0 and 1 .* not"):
        analysis.plan_for(cut)


def test_unreachable_cut(analysis):
    with pytest.raises(
        CourseError, match=r"99\.9% is out of reach for fastscnn: .* cuts \d+\.\d%; choose a smaller cut"
    ):
        analysis.plan_for(0.999)
