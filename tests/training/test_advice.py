"""Training on a smaller machine: accumulated gradients, averaged weights, early stopping, scaled recipes, memory."""

from dataclasses import replace

import numpy as np
import paddle
import pytest
from paddle import nn
from tiny_cityscapes import write_set
from tiny_network import TINY_RECIPE, TinyNet

from helpers import models, training
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.training import averaging, loop, memory

RECIPE = replace(TINY_RECIPE, iterations=6)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return open_dataset(write_set(tmp_path_factory.mktemp("set"), size_hw=(64, 128))).frames("train")


class Plain(TinyNet):
    """Without batch norm and dropout, so that a batch does not depend on how it is divided."""

    def __init__(self):
        super().__init__()
        self.body[1], self.body[3] = nn.Identity(), nn.Identity()


def fit(frames, folder, recipe, net_class=Plain, **kwargs):
    paddle.seed(0)
    net = net_class()
    return net, training.fit(net, frames, recipe, seed=0, folder=folder, device="cpu", **kwargs)


def weights(net):
    return {key: value.numpy() for key, value in net.state_dict().items()}


def assert_close(one, two, **tolerance):
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_allclose(one[key], two[key], err_msg=key, **tolerance)


@pytest.mark.parametrize("balance", [0.0, 1.1])
def test_accumulated_gradients_equal_a_large_batch(frames, tmp_path, balance):
    """The frames differ in their ignored pixels, so a plain mean of the losses would not be equal."""
    recipe = replace(RECIPE, class_balance=balance, lr=0.5)
    large, expected = fit(frames, tmp_path / "large", replace(recipe, batch_size=4))
    small, history = fit(frames, tmp_path / "small", replace(recipe, batch_size=2, accumulate=2))
    single, _ = fit(frames, tmp_path / "single", replace(recipe, batch_size=1, accumulate=4))
    np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-5)
    assert history.lr == expected.lr
    for net in (small, single):
        assert_close(weights(net), weights(large), rtol=1e-4, atol=1e-6)


def test_loss_of_accumulated_batches_by_hand():
    """Batches of one and of three labelled pixels count as one to three."""
    logits = paddle.to_tensor(np.log([0.5, 0.25, 0.25]).astype("float32").reshape(1, 3, 1, 1).repeat(4, axis=3))
    labels = [paddle.to_tensor([[[0, 255, 255, 255]]]), paddle.to_tensor([[[1, 1, 1, 255]]])]
    with training.accumulating(labels):
        losses = [training.segmentation_loss([logits], label, (1.0,)).item() for label in labels]
    assert np.mean(losses) == pytest.approx((np.log(2) + 3 * np.log(4)) / 4)


def test_average_by_hand():
    """Start at 0, then 1 and 3: decay 2/11 after the first step, 3/12 after the second."""
    layer = nn.Linear(1, 1, bias_attr=False)
    layer.weight.set_value(paddle.zeros([1, 1]))
    average = averaging.Average(0.9)
    average.start(layer)
    for count, value in ((1, 1.0), (2, 3.0)):
        layer.weight.set_value(paddle.full([1, 1], value))
        average.update(layer, count)
    expected = 0.25 * (9 / 11) + 0.75 * 3
    with average.applied(layer):
        assert layer.weight.item() == pytest.approx(expected, rel=1e-6)
    assert layer.weight.item() == 3
    average.update(layer, 10**6)
    assert average.state["weight"].item() == pytest.approx(0.9 * expected + 0.1 * 3, rel=1e-6)


def test_averaged_weights_are_scored_and_saved_and_training_is_the_same(frames, tmp_path, monkeypatch):
    recipe = replace(RECIPE, validate_every=3, ema=0.9)
    steps, seen = [], []
    start, update = averaging.Average.start, averaging.Average.update
    monkeypatch.setattr(averaging.Average, "start", lambda self, net: (steps.append(weights(net)), start(self, net)))
    monkeypatch.setattr(
        averaging.Average, "update", lambda self, net, count: (steps.append(weights(net)), update(self, net, count))
    )
    watch = lambda count, net: seen.append(weights(net))  # noqa: E731
    net, history = fit(frames, tmp_path / "ema", recipe, TinyNet, val_frames=frames[:2], watch=watch)
    expected, *after = steps
    for count, state in enumerate(after, start=1):
        decay = min(0.9, (1 + count) / (10 + count))
        expected = {key: decay * expected[key] + (1 - decay) * state[key] for key in state}
    assert_close(weights(net), expected, rtol=1e-5, atol=1e-7)
    assert_close(weights(net), seen[-1])  # the last validation
    assert_close(weights(models.load_weights(TinyNet(), tmp_path / "ema" / models.WEIGHTS)), weights(net))
    plain, usual = fit(frames, tmp_path / "plain", RECIPE, TinyNet)
    assert history.loss == usual.loss
    assert_close(weights(plain), after[-1])
    statistic = next(key for key in expected if key.endswith("_mean"))
    assert not np.allclose(expected[statistic], weights(plain)[statistic])


def scripted(monkeypatch, scores):
    """Let the validations have these mIoU."""
    left = list(scores)

    class Scores:
        def __init__(self, matrix):
            self.miou = left.pop(0)

    monkeypatch.setattr(loop, "scores", Scores)


def test_stops_early_and_keeps_the_best_weights(frames, tmp_path, monkeypatch, capsys):
    scripted(monkeypatch, [0.2, 0.5, 0.4, 0.5, 0.9])
    recipe = replace(RECIPE, iterations=12, validate_every=2, patience=2)
    seen = []
    watch = lambda count, net: seen.append(weights(net))  # noqa: E731
    net, history = fit(frames, tmp_path, recipe, TinyNet, val_frames=frames[:2], watch=watch)
    assert history.miou == [0.2, 0.5, 0.4, 0.5] and len(history.loss) == 8
    assert "Stopped after 8 of 12 iterations" in capsys.readouterr().out
    assert_close(weights(net), seen[1])
    assert_close(weights(models.load_weights(TinyNet(), tmp_path / models.WEIGHTS)), seen[1])
    assert not net.training


def test_ends_with_the_best_weights_without_stopping(frames, tmp_path, monkeypatch):
    scripted(monkeypatch, [0.2, 0.5, 0.4])
    recipe = replace(RECIPE, validate_every=2, patience=2)
    seen = []
    watch = lambda count, net: seen.append(weights(net))  # noqa: E731
    net, history = fit(frames, tmp_path, recipe, TinyNet, val_frames=frames[:2], watch=watch)
    assert len(history.loss) == 6
    assert_close(weights(net), seen[1])


def test_validation_frames_without_labels(frames, tmp_path, monkeypatch):
    scripted(monkeypatch, [float("nan")])
    with pytest.raises(CourseError, match="labelled pixels in the 2 validation frames"):
        fit(frames, tmp_path, replace(RECIPE, validate_every=2), val_frames=frames[:2])


def test_scaled_recipe():
    """Goyal et al. 2017: half the batch, half the learning rate, twice the iterations; the square root for Adam."""
    recipe = replace(RECIPE, batch_size=4, lr=0.08, min_lr=0.02, iterations=100, warmup=10, validate_every=25)
    half = training.scaled(recipe, 2)
    assert (half.batch_size, half.lr, half.min_lr) == (2, 0.04, 0.01)
    assert (half.iterations, half.warmup, half.validate_every) == (200, 20, 50)
    assert training.scaled(half, 4) == recipe and training.scaled(recipe, 4) == recipe
    adam = training.scaled(replace(recipe, optimiser="adamw"), 1)
    assert (adam.lr, adam.min_lr, adam.iterations) == (0.04, 0.01, 400)
    assert training.scaled(replace(recipe, accumulate=3), 12).accumulate == 1
    with pytest.raises(CourseError, match="at least 1, got 0"):
        training.scaled(recipe, 0)


def test_memory_that_does_not_suffice(capsys):
    recipe = replace(RECIPE, batch_size=12)
    needed = lambda batch: 1e9 * (1 + batch)  # noqa: E731
    memory.compare(recipe, needed, free=14e9, say=print)
    assert capsys.readouterr().out == ""
    memory.compare(recipe, needed, free=10e9, say=print)
    said = capsys.readouterr().out
    assert "12 needs about 13.0 GB of memory, 10.0 GB are free: set batch_size = 6 and accumulate = 2" in said
    with pytest.raises(CourseError, match=r"13\.0 GB.*4\.0 GB are free: set batch_size = 3 and accumulate = 4"):
        memory.compare(recipe, needed, free=4e9, say=print)
    with pytest.raises(CourseError, match="lower crop_hw"):
        memory.compare(recipe, needed, free=1e9, say=print)


def test_memory_is_measured_only_if_it_may_not_suffice(frames, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "training_memory", lambda net, crop_hw, batch: calls.append(batch) or 5e7 * batch)
    fit(frames, tmp_path, replace(RECIPE, iterations=1))
    assert calls == []
    monkeypatch.setattr(memory, "free_memory", lambda: 6e7)
    with pytest.raises(CourseError, match="batches of 2 needs about 0.1 GB.*batch_size = 1 and accumulate = 2"):
        fit(frames, tmp_path, replace(RECIPE, iterations=1))
    assert calls == [2, 1]


def test_free_memory_of_machine_and_container(tmp_path, monkeypatch):
    total = memory.free_memory()
    assert 1e8 < total < 1e14
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2500000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    assert memory.free_memory() == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 1e8
