"""The network that a notebook starts from: shipped, loaded or trained."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_cityscapes import write_set

from helpers.cityscapes import index
from helpers.models import load_shipped
from helpers.profiles import load_profile
from helpers.training import fit, train_or_load


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return index(write_set(tmp_path_factory.mktemp("tiny") / "set"), "train")


@pytest.fixture
def profile():
    profile = load_profile("smoke")
    return replace(profile, fastscnn=replace(profile.fastscnn, crop_hw=(32, 64), iterations=1, warmup=0))


def weight(net):
    return net.classifier.conv.weight.numpy()


def test_shipped_weights_are_not_trained(profile, frames, tmp_path):
    net = train_or_load("fastscnn", profile, frames, tmp_path / "run")
    assert np.array_equal(weight(net), weight(load_shipped("fastscnn")))
    assert not net.training and not (tmp_path / "run").exists()


def test_trains_once_and_then_loads(profile, frames, tmp_path, monkeypatch):
    profile = replace(profile, weights="trained")
    calls = []
    monkeypatch.setattr("helpers.training.starting.fit", lambda *a, **k: calls.append(1) or fit(*a, **k))
    first = train_or_load("fastscnn", profile, frames, tmp_path, seed=3, device="cpu")
    again = train_or_load("fastscnn", profile, frames, tmp_path, seed=3, device="cpu")
    assert calls == [1] and not first.training and not again.training
    assert np.array_equal(weight(first), weight(again))
    assert not np.array_equal(weight(first), weight(load_shipped("fastscnn")))
