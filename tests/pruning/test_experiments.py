"""The experiments of notebook 04: plans by name, fine-tuning with a control, comparison of times."""

from dataclasses import replace

import numpy as np
import pytest
from paddle import nn
from tiny_cityscapes import write_set
from tiny_network import TINY_RECIPE, TinyNet

from helpers import pruning
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.deployment import Latency
from helpers.profiles import load_profile
from helpers.pruning import Analysis, LatencyModel, experiments


@pytest.fixture
def chain():
    return nn.Sequential(nn.Conv2D(3, 32, 3), nn.Conv2D(32, 32, 1), nn.Conv2D(32, 2, 1))


@pytest.fixture
def analysis(chain):
    return Analysis(chain, (16, 16), "chain")


def test_pruned_copy_leaves_the_network_alone(chain, analysis):
    smaller = pruning.pruned_copy(chain, analysis.plan(0.5))
    assert smaller[0].weight.shape == [16, 3, 3, 3] and chain[0].weight.shape == [32, 3, 3, 3]
    assert not smaller.training


def test_plans_by_name(analysis):
    plans = pruning.named_plans(analysis, (0.3, 0.6), 8)
    assert list(plans) == ["unpruned", "30 %, any", "30 %, multiples of 8", "60 %, any", "60 %, multiples of 8"]
    assert plans["unpruned"] is None and [plans[name].align for name in list(plans)[1:]] == [1, 8, 1, 8]
    assert all(plan.cut >= float(name.split()[0]) / 100 for name, plan in plans.items() if plan)
    assert list(pruning.named_plans(analysis, (0.3,), 1)) == ["unpruned", "30 %, any"]


def test_against_random_scores_each_draw_with_its_own_seed(analysis):
    scored = []

    def score(plan):
        scored.append(plan)
        return len(scored)

    found = pruning.against_random(analysis, (0.3, 0.6), score, draws=2, seed=5)
    assert [scores for _, scores in found["L1 norm"]] == [[1], [4]]
    assert [scores for _, scores in found["random"]] == [[2, 3], [5, 6]]
    assert [plan.criterion for plan in scored] == ["l1", "random", "random"] * 2
    assert scored[1].groups != scored[2].groups and scored[0].cut == scored[1].cut
    assert scored[1] == analysis.plan_for(0.3, criterion="random", seed=5)


def test_fine_tuning_treats_the_control_the_same_way(tmp_path):
    frames = open_dataset(write_set(tmp_path / "set")).frames("train")
    net = TinyNet()
    start = net.head.weight.numpy()
    recipe = replace(TINY_RECIPE, iterations=2, warmup=0)
    tuned = pruning.fine_tune(
        {"a": net, "b": net},
        frames,
        recipe,
        lambda network, name: float(network.head.weight.abs().sum()),
        tmp_path,
        seeds=(1, 2),
        device="cpu",
    )
    assert np.array_equal(net.head.weight.numpy(), start)
    # The same network, crops and steps; threads may add in another order.
    assert tuned.scores["a"] == pytest.approx(tuned.scores["b"], rel=1e-4)
    assert tuned.scores["a"][0] != tuned.scores["a"][1]  # another seed
    assert tuned.difference("a", "b") == pytest.approx([0, 0], abs=1e-2)
    assert float(tuned.networks["a"].head.weight.abs().sum()) == pytest.approx(tuned.scores["a"][0])  # the first seed's
    with pytest.raises(CourseError, match="at least one seed"):
        pruning.fine_tune({"a": net}, frames, recipe, None, tmp_path, seeds=())


def test_differences_are_taken_seed_by_seed():
    tuned = pruning.FineTuned({}, {"pruned": [0.70, 0.74], "control": [0.72, 0.73]})
    assert tuned.difference("pruned", "control") == pytest.approx([-0.02, 0.01])


def test_time_table_by_hand():
    runs = {"engine": {"unpruned": Latency((10.0, 20.0, 40.0)), "half": Latency((5.0, 8.0, 24.0))}}
    table = pruning.time_table(runs)
    assert table.loc["half", ("engine", "ms")] == 8
    assert table.loc["half", ("engine", "ratio")] == pytest.approx(0.5)  # of 0.5, 0.4, 0.6, not 8 / 20
    assert table.loc["half", ("engine", "quartile 1")] == pytest.approx(0.45)
    assert table.loc["half", ("engine", "quartile 3")] == pytest.approx(0.55)
    assert table.loc["unpruned", ("engine", "ratio")] == 1


@pytest.mark.parametrize(
    "first, verdict",
    [
        ((9.0, 18.0, 36.0), "faster than b: 0.90 of its time"),
        ((11.0, 22.0, 44.0), "slower than b: 1.10 of its time"),
        ((9.0, 20.0, 44.0), "not clearly faster or slower than b: 1.00 of its time"),
    ],
)
def test_times_are_compared_round_by_round(first, verdict):
    measured = {"a": Latency(first), "b": Latency((10.0, 20.0, 40.0))}
    assert f"a is {verdict}" in pruning.compare_times("a", "b", measured)
    assert verdict.startswith(pruning.time_verdict("a", "b", measured))


def test_few_rounds_are_said_to_be_too_few():
    for rounds, few in ((4, True), (5, False)):
        measured = {name: Latency((ms,) * rounds) for name, ms in (("a", 1.0), ("b", 2.0))}
        assert ("too few rounds" in pruning.compare_times("a", "b", measured)) == few


@pytest.mark.parametrize(
    "fastest, engines", [("paddle", ["paddle-onednn", "paddle"]), ("paddle-onednn", ["paddle-onednn"])]
)
def test_the_fastest_engine_is_the_last(monkeypatch, fastest, engines):
    monkeypatch.setattr(experiments, "export_plans", lambda net, plans, folder: dict.fromkeys(plans, folder))
    monkeypatch.setattr(experiments, "fastest_engine", lambda folder, **times: fastest)
    monkeypatch.setattr(
        experiments, "measure_exports", lambda folders, engine, **times: {name: engine for name in folders}
    )
    runs = pruning.time_plans(None, {"unpruned": None}, "folder", load_profile("smoke").deploy)
    assert runs == {engine: {"unpruned": engine} for engine in engines} and list(runs) == engines


def test_times_are_paired_with_their_plans(analysis):
    times = pruning.time_table({"e": {"unpruned": Latency((10.0, 30.0, 20.0)), "half": Latency((5.0, 9.0, 8.0))}})
    plan = analysis.plan(0.5)
    assert pruning.measured_ms(times, "e", {"half": plan, "unpruned": None}) == [(plan, 8.0), (None, 20.0)]


def test_norm_table_by_hand():
    norms = {"a": np.array([0.001, 1.0, 1.0, 2.0]), "b": np.array([3.0, 3.0]), "c": np.ones(1)}
    table = pruning.norm_table(norms, ["b", "a"])
    assert list(table.index) == ["b", "a"] and table["filters"].tolist() == [2, 4]
    assert table.loc["b"].tolist() == [2, 0, 1, 0]
    assert table.loc["a", "near zero"] == 0.25 and table.loc["a", "weakest"] == pytest.approx(0.001)
    assert table.loc["a", "spread"] == pytest.approx(np.std(norms["a"]) / np.mean(norms["a"]))
    assert pruning.norm_table({"a": np.zeros(3)}, ["a"]).loc["a"].tolist() == [3, 1, 0, 0]


def test_four_ways_of_the_same_cut(analysis):
    curves = {
        group.master: {0.5: loss, 0.9: 2 * loss} for group, loss in zip(analysis.coupled, (0.1, 0.4), strict=True)
    }
    ways = pruning.ranking_and_allocation(analysis, 0.4, curves, 1, range(2))
    assert {way: [plan.criterion for plan in plans] for way, plans in ways.items()} == {
        "L1 norm, by sensitivity": ["l1"],
        "L1 norm, same share": ["l1"],
        "random, by sensitivity": ["random"] * 2,
        "random, same share": ["random"] * 2,
    }
    assert ways["L1 norm, by sensitivity"] == [analysis.plan_for(0.4, curves=curves)]
    assert ways["random, same share"][1] == analysis.plan_for(0.4, criterion="random", seed=1)


def test_prediction_errors_by_hand(analysis):
    model = LatencyModel("made up", 1, (10.0, 0.0, 0.0, 0.0), 0.0)  # 10 ms for every network
    errors = pruning.prediction_errors(model, analysis, [(None, 8.0), (analysis.plan(0.5), 20.0)])
    assert errors == pytest.approx([0.25, -0.5])


def test_only_adams_decay_removes_a_weight_without_a_loss():
    settings = {"lr": 0.01, "decay": 1e-3, "steps": 60}
    assert pruning.weight_under_decay("adam", 0.0, **settings)[50] == pytest.approx(0.5, abs=0.05)  # about lr per step
    assert pruning.weight_under_decay("adamw", 0.0, **settings)[50] == pytest.approx((1 - 1e-5) ** 50)
    for optimiser in ("adam", "adamw"):
        path = pruning.weight_under_decay(optimiser, 1.0, **settings)
        assert path.shape == (61,) and abs(path - 1).max() < 0.02  # the loss holds it
    with pytest.raises(CourseError, match="'adam' or 'adamw'"):
        pruning.weight_under_decay("sgd", 0.0, **settings)
