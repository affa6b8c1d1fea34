"""Which trained network a notebook starts from."""

import numpy as np
import paddle
import pytest

from helpers import models
from helpers.common.errors import CourseError
from helpers.datasets import Classes


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
    assert models.cost(loaded, (1024, 2048)).macs == plan.macs_after and loaded.class_names[0] == "road"
    with pytest.raises(CourseError, match="pruned network in .* was trained for 19 classes, this data set has 3"):
        models.load_trained("fastscnn_pruned_51", "trained", tmp_path, num_classes=3)


def test_the_number_of_classes_is_that_of_the_file(tmp_path):
    classes = Classes(("leaf", "spot", "soil"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    models.save_weights(models.build("fastscnn", 3), tmp_path / models.WEIGHTS, classes)
    loaded = models.load_trained("fastscnn", "trained", tmp_path)
    assert (loaded.num_classes, loaded.class_names) == (3, classes.names)
    with pytest.raises(CourseError, match=r"trained for 3 classes \(leaf, spot, soil\), this network is for 11"):
        models.load_trained("fastscnn", "trained", tmp_path, num_classes=11)
    assert models.load_trained("fastscnn", "miniscapes", tmp_path, num_classes=11).num_classes == 11


def test_without_a_record_the_classifier_has_the_number(tmp_path):
    paddle.save(models.build("fastscnn", 4).state_dict(), str(tmp_path / "x.pdparams"))
    assert models.load_saved("fastscnn", tmp_path / "x.pdparams").num_classes == 4


def test_missing_and_unknown_weights_are_reported(tmp_path):
    with pytest.raises(CourseError, match=str(tmp_path / models.WEIGHTS)):
        models.load_trained("fastscnn", "trained", tmp_path)
    with pytest.raises(CourseError, match="'miniscapes' or 'trained', got 'best'"):
        models.load_trained("fastscnn", "best", tmp_path)
