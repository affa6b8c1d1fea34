"""The latency model: fits by hand, plans for a latency, and error messages."""

import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.models import build
from helpers.pruning import Analysis
from helpers.pruning.latency import LatencyModel, fit_latency, kept_channels


@pytest.fixture(scope="module")
def analysis():
    return Analysis(build("fastscnn", seed=2), (1024, 2048))


@pytest.fixture(scope="module")
def plans(analysis):
    return [None, *(analysis.plan_for(cut, align=align) for cut in (0.3, 0.51, 0.7) for align in (1, 16))]


def test_block_size_of_an_engine_is_recovered(analysis, plans):
    truth = LatencyModel("made up", 16, (20.0, 12.0, 30.0, 40.0), 0.0)
    unpruned = analysis.plan(0.0)
    measured = [(plan, truth.predict(analysis, plan or unpruned)) for plan in plans]
    fitted = fit_latency(analysis, measured, "made up")
    assert fitted.block == 16 and fitted.error < 1e-6
    unseen = analysis.plan_for(0.42)
    assert fitted.predict(analysis, unseen) == pytest.approx(truth.predict(analysis, unseen), rel=1e-3)


def test_one_layer_by_hand():
    """A 1x1 convolution and a classifier on 4 x 8 pixels, in blocks of 4."""
    from paddle import nn

    chain = nn.Sequential(nn.Conv2D(3, 6, 1), nn.Conv2D(6, 2, 1))
    analysis = Analysis(chain, (4, 8), "chain")
    dense = 32 * (4 * 8 + 8 * 4)  # 3 and 6 count as 4 and 8, 2 as 4
    moved = 32 * (4 + 8 + 8 + 4)
    model = LatencyModel("made up", 4, (1.0, 2e9, 0.0, 3e9), 0.0)
    assert model.of(analysis)(np.array([6])) == pytest.approx(1 + 2 * dense + 3 * moved)


def test_plan_for_a_latency(analysis):
    model = LatencyModel("made up", 16, (20.0, 12.0, 30.0, 40.0), 0.0)
    plan = analysis.plan_for(0.4, measure=model.of(analysis), align=16)
    before = model.predict(analysis, analysis.plan(0.0))
    assert 0.4 <= 1 - model.predict(analysis, plan) / before < 0.405
    with pytest.raises(CourseError, match="out of reach"):
        analysis.plan_for(0.97, measure=model.of(analysis))


def test_kept_channels(analysis):
    assert kept_channels(analysis.plan(0.0)).tolist() == [group.channels for group in analysis.coupled]


def test_too_few_networks(analysis, plans):
    with pytest.raises(CourseError, match="at least three measured networks, got 2"):
        fit_latency(analysis, [(plan, 1.0) for plan in plans[:2]], "x")
