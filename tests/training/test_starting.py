"""The network that a notebook starts from: shipped, started from the shipped weights, loaded or trained."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_cityscapes import write_set

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import Classes, Dataset, open_dataset
from helpers.models import load_shipped
from helpers.profiles import load_profile
from helpers.training import fit, load_history, load_recipe, starting, train_or_load

RENAMED = replace(CITYSCAPES, names=("street", *CITYSCAPES.names[1:]), groups=())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return replace(open_dataset(write_set(tmp_path_factory.mktemp("tiny") / "set")), name="MiniScapes")


@pytest.fixture
def profile():
    profile = load_profile("smoke")
    short = {"crop_hw": (32, 64), "iterations": 1, "warmup": 0}
    return replace(
        profile,
        fastscnn=replace(profile.fastscnn, **short),
        finetune=replace(profile.finetune, **short, lr=1e-6, aux_weights=(1.0, 0.0)),
    )


def frames_of(dataset: Dataset, classes: Classes | None = None, name: str = ""):
    return replace(dataset, classes=classes or dataset.classes, name=name or dataset.name).frames("train")


def classifier(net):
    return net.classifier.conv.weight.numpy()


def backbone(net):
    return next(iter(net.state_dict().values())).numpy()


def test_shipped_weights_are_not_trained_on_their_own_data(profile, dataset, tmp_path):
    net = train_or_load("fastscnn", profile, frames_of(dataset), tmp_path / "run")
    assert np.array_equal(classifier(net), classifier(load_shipped("fastscnn")))
    assert not net.training and not (tmp_path / "run").exists()


def test_trains_once_and_then_loads(profile, dataset, tmp_path, monkeypatch):
    profile = replace(profile, weights="trained")
    calls = []
    monkeypatch.setattr("helpers.training.starting.fit", lambda *a, **k: calls.append(1) or fit(*a, **k))
    frames = frames_of(dataset)
    first = train_or_load("fastscnn", profile, frames, tmp_path, seed=3, device="cpu")
    again = train_or_load("fastscnn", profile, frames, tmp_path, seed=3, device="cpu")
    assert calls == [1] and not first.training and not again.training
    assert np.array_equal(classifier(first), classifier(again))
    assert not np.array_equal(classifier(first), classifier(load_shipped("fastscnn")))


def test_other_data_with_the_same_classes_keeps_the_classifier(profile, dataset, tmp_path):
    frames = frames_of(dataset, name="Streets")
    net = train_or_load("fastscnn", profile, frames, tmp_path, device="cpu")
    shipped = load_shipped("fastscnn")
    np.testing.assert_allclose(classifier(net), classifier(shipped), atol=1e-3)
    np.testing.assert_allclose(backbone(net), backbone(shipped), atol=1e-3)
    assert load_recipe(tmp_path)["pretrained"] == "miniscapes" and len(load_history(tmp_path).loss) == 1
    again = train_or_load("fastscnn", profile, frames, tmp_path, device="cpu")
    assert np.array_equal(classifier(net), classifier(again))


def test_other_names_replace_the_classifier_though_their_number_is_the_same(profile, dataset, tmp_path):
    frames = frames_of(dataset, RENAMED, "Streets")
    net = train_or_load("fastscnn", profile, frames, tmp_path, device="cpu")
    shipped = load_shipped("fastscnn")
    assert classifier(net).shape == classifier(shipped).shape
    assert np.abs(classifier(net) - classifier(shipped)).max() > 0.01
    np.testing.assert_allclose(backbone(net), backbone(shipped), atol=1e-3)
    with pytest.raises(CourseError, match="classes street, sidewalk.*but Streets has road, sidewalk"):
        train_or_load("fastscnn", profile, frames_of(dataset, name="Streets"), tmp_path, device="cpu")


def three_classes(dataset):
    """All values of the labels, in three classes."""
    values = {value: min(value, 2) for value in CITYSCAPES.values}
    names = ("road", "sidewalk", "rest")
    return Classes(names, CITYSCAPES.colours[:3], (0, 1, 2), (255, *(v for v in values if v > 2)))


def test_other_number_of_classes_from_shipped_and_from_random_weights(profile, dataset, tmp_path):
    frames = frames_of(dataset, three_classes(dataset), "Mine")
    nets = {
        start: train_or_load("fastscnn", profile, frames, tmp_path / start, device="cpu", start=start)
        for start in starting.STARTS
    }
    shipped = backbone(load_shipped("fastscnn"))
    assert [classifier(net).shape[0] for net in nets.values()] == [3, 3]
    np.testing.assert_allclose(backbone(nets["shipped"]), shipped, atol=1e-3)
    assert np.abs(backbone(nets["random"]) - shipped).max() > 0.01
    assert len(load_history(tmp_path / "random").loss) == len(load_history(tmp_path / "shipped").loss)
    with pytest.raises(CourseError, match="started from random weights, not from miniscapes weights"):
        train_or_load("fastscnn", profile, frames, tmp_path / "random", device="cpu")


def test_network_without_shipped_weights_says_so(profile, dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(starting, "fit", lambda *args, **kwargs: None)
    train_or_load("unet", profile, frames_of(dataset, name="Mine"), tmp_path, device="cpu")
    assert "no weights for U-Net: training it from random weights" in capsys.readouterr().out


def test_recipes_of_the_starts():
    profile = load_profile("mini")
    short = starting._recipe("hrnet_w18_small_v2", profile, "shipped")
    assert (short.crop_hw, short.optimiser) == (profile.pair.crop_hw, profile.pair.optimiser)
    assert (short.lr, short.iterations) == (profile.finetune.lr, profile.finetune.iterations)
    fresh = starting._recipe("hrnet_w18_small_v2", profile, "random")
    assert (fresh.lr, fresh.iterations, fresh.pretrained) == (profile.pair.lr, profile.finetune.iterations, "")
    assert starting._recipe("fastscnn", profile, "shipped") == replace(profile.finetune, pretrained="miniscapes")
    assert starting._recipe("unet", profile, "shipped") == replace(profile.pair, pretrained="")


def test_unknown_start(profile, dataset, tmp_path):
    with pytest.raises(CourseError, match="'shipped' or 'random', got 'imagenet'"):
        train_or_load("fastscnn", profile, frames_of(dataset), tmp_path, start="imagenet")


def test_pruned_network_of_other_data_names_the_notebook_that_makes_it(profile, dataset, tmp_path):
    with pytest.raises(CourseError, match="no pruned network for the data set Mine.*run notebook 04"):
        train_or_load("fastscnn_pruned_51", profile, frames_of(dataset, name="Mine"), tmp_path, device="cpu")
