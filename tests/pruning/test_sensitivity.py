"""Sensitivity curves: values by hand, resuming, and plans that follow them."""

import json

import numpy as np
import pytest
from paddle import nn

from helpers.common.errors import CourseError
from helpers.models import build, load_shipped
from helpers.pruning import Analysis, sensitivity
from helpers.pruning.sensitivity import _fingerprint


@pytest.fixture(scope="module")
def net():
    return build("fastscnn", seed=2)


@pytest.fixture(scope="module")
def analysis(net):
    return Analysis(net, (128, 256))


class Counting:
    """Score a network by the share of parameters that remain; raise after `limit` calls."""

    def __init__(self, net, limit=10**9):
        self.total, self.limit, self.calls = sum(p.size for p in net.parameters()), limit, 0

    def __call__(self, net: nn.Layer) -> float:
        if self.calls == self.limit:
            raise KeyboardInterrupt
        self.calls += 1
        return sum(parameter.size for parameter in net.parameters()) / self.total


def test_curves_are_the_loss_of_the_score(net, analysis, tmp_path):
    curves = sensitivity(net, analysis, Counting(net), tmp_path / "curves.json", ratios=(0.5,))
    assert list(curves) == [group.master for group in analysis.coupled]
    assert all(list(curve) == [0.5] and 0 < curve[0.5] < 0.5 for curve in curves.values())
    first = analysis.coupled[0]  # 16 of 32 filters are removed
    convolution, depthwise, reader = 27 + 1, 9 + 1, 48  # weights and bias; each norm has four values per channel
    removed = 16 * (convolution + 4 + depthwise + 4 + reader)
    assert curves[first.master][0.5] == pytest.approx(removed / Counting(net).total, rel=1e-6)


def test_killed_run_resumes(net, analysis, tmp_path):
    path = tmp_path / "curves.json"
    with pytest.raises(KeyboardInterrupt):
        sensitivity(net, analysis, Counting(net, limit=6), path, ratios=(0.5,))
    assert len(json.loads(path.read_text())["loss"]) == 5  # one of the six calls scored the unpruned network
    again = Counting(net)
    curves = sensitivity(net, analysis, again, path, ratios=(0.5,))
    assert again.calls == len(analysis.coupled) - 5
    assert curves == sensitivity(net, analysis, Counting(net, limit=0), path, ratios=(0.5,))


def test_other_weights_start_over(net, analysis, tmp_path):
    path = tmp_path / "curves.json"
    sensitivity(net, analysis, Counting(net), path, ratios=(0.9,), on="two frames")
    for other, on in ((net, "three frames"), (build("fastscnn", seed=3), "two frames")):
        score = Counting(net)
        sensitivity(other, analysis, score, path, ratios=(0.9,), on=on)
        assert score.calls == 1 + len(analysis.coupled)


def test_sensitive_layers_lose_less(analysis):
    """One layer loses much and the others nothing: it keeps its filters."""
    sensitive = "feature_fusion.conv_low_res._conv"
    curves = {g.master: {0.5: 0.0, 0.9: 0.001} for g in analysis.coupled} | {sensitive: {0.5: 0.5, 0.9: 1.0}}
    plan = analysis.plan_for(0.51, curves=curves)
    assert plan.allocation == "sensitivity" and 0.51 <= plan.cut < 0.515
    shares = {group.name: len(group.kept) / group.channels for group in plan.groups}
    assert shares[sensitive] > 0.95 and np.median(list(shares.values())) < 0.75


def test_curves_of_another_network(analysis):
    with pytest.raises(CourseError, match="curves lack learning_to_downsample"):
        analysis.plan_for(0.3, curves={"other": {0.5: 0.1}})


@pytest.mark.parametrize("ratios", [(), (0.0,), (1.5,)])
def test_bad_ratios(net, analysis, tmp_path, ratios):
    with pytest.raises(CourseError, match="between 0 and 1"):
        sensitivity(net, analysis, Counting(net), tmp_path / "c.json", ratios=ratios)


def test_untrained_network(net, analysis, tmp_path):
    with pytest.raises(CourseError, match="train it first"):
        sensitivity(net, analysis, lambda _: 0.0, tmp_path / "c.json")


def test_shipped_networks_have_one_fingerprint():
    """Their auxiliary heads are not shipped: they are random, and do not change a score."""
    first, second = (load_shipped("fastscnn") for _ in range(2))
    assert _fingerprint(first, (0.5,), "l1", "") == _fingerprint(second, (0.5,), "l1", "")
    second.classifier.conv.weight.set_value(second.classifier.conv.weight * 2)
    assert _fingerprint(first, (0.5,), "l1", "") != _fingerprint(second, (0.5,), "l1", "")
