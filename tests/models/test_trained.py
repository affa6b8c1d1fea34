"""Which trained network a notebook starts from."""

import numpy as np
import pytest

from helpers import models
from helpers.common.errors import CourseError


def test_shipped_ones_need_no_folder(tmp_path):
    net = models.load_trained("fastscnn_pruned_73", "miniscapes", tmp_path)
    assert not net.training
    assert models.cost(net, (1024, 2048)).gmacs == pytest.approx(1.948, abs=1e-3)


def test_trained_ones_come_from_the_folder(tmp_path):
    net = models.build("fastscnn", seed=3)
    models.save_weights(net, tmp_path / models.WEIGHTS)
    loaded = models.load_trained("fastscnn", "trained", tmp_path)
    for one, two in zip(net.parameters(), loaded.parameters(), strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_pruned_ones_come_with_their_plan(tmp_path):
    plan = models.Plan.load(models.shipped.plan_path("fastscnn_pruned_51"))
    models.save_pruned(tmp_path, models.load_shipped("fastscnn_pruned_51"), plan)
    loaded = models.load_trained("fastscnn_pruned_51", "trained", tmp_path)
    assert models.cost(loaded, (1024, 2048)).macs == plan.macs_after


def test_missing_and_unknown_weights_are_reported(tmp_path):
    with pytest.raises(CourseError, match=str(tmp_path / models.WEIGHTS)):
        models.load_trained("fastscnn", "trained", tmp_path)
    with pytest.raises(CourseError, match="'miniscapes' or 'trained', got 'best'"):
        models.load_trained("fastscnn", "best", tmp_path)
