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


def decode(explorer):
    data = np.frombuffer(explorer.picture.value, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_starts_at_a_cut_of_half(explorer):
    assert 0.5 <= explorer.plan.cut < 0.505
    assert "of 7.25 GMACs kept" in explorer.status.value and "an engine: predicted <b>" in explorer.status.value
    picture = decode(explorer)
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


def test_a_picture_is_the_chart_of_its_plan_alone(explorer):
    first = decode(explorer)
    explorer.cut.value, explorer.align.value = 0.7, 16
    chart = explorer._canvas.figure
    moved, text = decode(explorer), explorer.picture.alt
    assert "kept from" in text and len(chart.axes[0].texts) == len(explorer.plan.groups)
    explorer._canvas.draw()  # all of it, not only the kept channels
    drawn = np.asarray(explorer._canvas.buffer_rgba())[..., :3]
    assert (np.abs(moved - drawn.astype(int)) > 32).mean() < 0.002 < (np.abs(moved - first) > 32).mean()
    explorer.cut.value, explorer.align.value = 0.5, 1
    assert (decode(explorer) == first).all() and explorer.picture.alt != text


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
