"""The pruning explorer without a front end: set a control, read numbers and picture."""

import cv2
import numpy as np
import pytest

from helpers.models import build
from helpers.pruning import Analysis
from helpers.pruning.latency import LatencyModel
from helpers.widgets.pruning_explorer import PruningExplorer


@pytest.fixture(scope="module")
def analysis():
    return Analysis(build("fastscnn", seed=2), (1024, 2048))


@pytest.fixture
def explorer(analysis):
    return PruningExplorer(analysis, [LatencyModel("an engine", 16, (20.0, 12.0, 30.0, 40.0), 0.0)])


def test_starts_at_a_cut_of_half(explorer):
    assert 0.5 <= explorer.plan.cut < 0.505
    assert "of 7.25 GMACs kept" in explorer.status.value and "an engine: predicted <b>" in explorer.status.value
    picture = cv2.imdecode(np.frombuffer(explorer.picture.value, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] > 800 and picture.std() > 10


def test_every_control_changes_the_plan_and_the_picture(explorer):
    plans, pictures = [explorer.plan], [explorer.picture.value]
    for control, value in ((explorer.cut, 0.7), (explorer.align, 16)):
        control.value = value
        assert explorer.plan not in plans and explorer.picture.value not in pictures
        plans.append(explorer.plan)
        pictures.append(explorer.picture.value)
    assert all(len(group.kept) % 16 == 0 for group in explorer.plan.groups)
    explorer.criterion.value = "random"  # the same number of channels, but others
    assert explorer.plan not in plans
    assert [len(g.kept) for g in explorer.plan.groups] == [len(g.kept) for g in plans[-1].groups]


def test_curves_enable_allocation_by_sensitivity(analysis, explorer):
    assert explorer.allocation.options == ("same share",)
    curves = {g.master: {0.8: 0.01 if "block" in g.master else 0.9} for g in analysis.coupled}
    explorer = PruningExplorer(analysis, curves=curves)
    before = explorer.plan
    explorer.allocation.value = "same loss"
    assert explorer.plan.allocation == "sensitivity" and explorer.plan.cut >= 0.5
    bottlenecks = [row for row, group in enumerate(analysis.coupled) if "block" in group.master]
    assert all(len(explorer.plan.groups[row].kept) < len(before.groups[row].kept) for row in bottlenecks)


def test_unreachable_cut_is_reported(explorer):
    explorer.align.value = 16
    picture = explorer.picture.value
    explorer.cut.max = 0.99
    explorer.cut.value = 0.98
    assert explorer.plan is None and "out of reach" in explorer.status.value and explorer.picture.value == picture
    explorer.cut.value = 0.3
    assert explorer.plan is not None and "out of reach" not in explorer.status.value


def test_no_time_without_a_latency_model(analysis):
    assert "ms" not in PruningExplorer(analysis).status.value
