"""The training loop: schedule and loss by hand, learning, reproducibility, resuming, error messages."""

from dataclasses import replace

import numpy as np
import paddle
import pytest
from paddle import nn
from tiny_cityscapes import write_set
from tiny_network import TINY_RECIPE as RECIPE
from tiny_network import TinyNet

from helpers import models, training
from helpers.common.errors import CourseError
from helpers.datasets import class_pixels, open_dataset, read_image, read_label
from helpers.evaluation import confusion_matrix, predict, scores
from helpers.training import checkpoint, loop, schedule


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return open_dataset(write_set(tmp_path_factory.mktemp("set"), size_hw=(64, 128))).frames("train")


def tiny(seed=0):
    paddle.seed(seed)
    return TinyNet()


def fit(frames, folder, net=None, recipe=RECIPE, **kwargs):
    net = net or tiny()
    return net, training.fit(net, frames, recipe, seed=0, folder=folder, device="cpu", **kwargs)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def weights(net):
    return {key: value.numpy() for key, value in net.state_dict().items()}


def assert_same_weights(one, two):
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], two[key], err_msg=key)


def test_polynomial_decay_by_hand():
    recipe = replace(RECIPE, lr=0.1, min_lr=0.01, power=0.9, warmup=0, iterations=10)
    rates = [training.learning_rate(recipe, i) for i in range(10)]
    np.testing.assert_allclose(rates, [0.09 * (1 - i / 10) ** 0.9 + 0.01 for i in range(10)], rtol=1e-12)
    paddles = paddle.optimizer.lr.PolynomialDecay(0.1, decay_steps=10, end_lr=0.01, power=0.9)
    for rate in rates:
        assert rate == pytest.approx(paddles.get_lr(), rel=1e-12)
        paddles.step()


def test_warm_up_rises_to_the_full_rate():
    recipe = replace(RECIPE, lr=0.1, warmup=4, iterations=20)
    rates = [training.learning_rate(recipe, i) for i in range(20)]
    np.testing.assert_allclose(rates[:5], [0.02, 0.04, 0.06, 0.08, 0.1])
    assert (np.diff(rates[4:]) < 0).all() and rates[-1] > 0


@pytest.mark.parametrize(("name", "expected"), [("sgd", 0.95), ("adamw", 0.95), ("adam", 0.9)])
def test_weight_decay_of_a_weight_without_gradient(name, expected):
    """Start at 1, rate 0.1, decay 0.5: subtract rate times decay, or the rate where Adam normalises the gradient."""
    layer = nn.Linear(1, 1, bias_attr=False)
    layer.weight.set_value(paddle.ones([1, 1]))
    recipe = replace(RECIPE, optimiser=name, lr=0.1, weight_decay=0.5, warmup=0)
    optimiser, _ = schedule.optimiser(recipe, layer)
    (layer(paddle.zeros([1, 1]))).sum().backward()
    optimiser.step()
    assert layer.weight.item() == pytest.approx(expected, abs=1e-5)


def test_loss_by_hand():
    logits = paddle.to_tensor(np.log([[0.7, 0.2, 0.1]]).reshape(1, 3, 1, 1).repeat(2, axis=3).astype("float32"))
    label = paddle.to_tensor(np.array([[[1, 255]]]))
    loss = training.segmentation_loss([logits, logits], label, (1.0, 0.4)).item()
    assert loss == pytest.approx(-1.4 * np.log(0.2), rel=1e-6)


def test_loss_of_ignored_pixels_only_is_zero_with_zero_gradient():
    logits = paddle.rand([1, 3, 2, 2])
    logits.stop_gradient = False
    loss = training.segmentation_loss([logits], paddle.full([1, 2, 2], 255, "int64"), (1.0,))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.numpy().any()


def test_class_weights_by_hand(frames):
    pixels = class_pixels(frames)
    share = pixels / pixels.sum()
    weights = training.class_weights(frames, 1.02)
    road, pole = 0, 5
    assert weights[pole] / weights[road] == pytest.approx(np.log(1.02 + share[road]) / np.log(1.02 + share[pole]))
    assert (weights * share).sum() == pytest.approx(1)
    assert (training.class_weights(frames, 0) == 1).all()
    absent = pixels == 0
    assert absent.any() and np.isfinite(weights).all() and (weights[absent] == weights.max()).all()


def test_network_for_another_number_of_classes(frames, tmp_path):
    paddle.seed(0)
    with pytest.raises(CourseError, match="predicts 3 classes, but the data has 19.*num_classes"):
        fit(frames, tmp_path, net=TinyNet(3))


def test_more_outputs_than_weights():
    with pytest.raises(CourseError, match="2 outputs.*aux_weights"):
        training.segmentation_loss([paddle.rand([1, 3, 2, 2])] * 2, paddle.zeros([1, 2, 2], "int64"), (1.0,))


def test_learns_and_saves_weights_and_history(frames, tmp_path):
    net, history = fit(frames, tmp_path, recipe=replace(RECIPE, iterations=40))
    assert len(history.loss) == len(history.lr) == 40
    assert history.loss_around(first=False) < 0.8 * history.loss_around(first=True)
    assert names(tmp_path) == [training.HISTORY, models.WEIGHTS]
    again = models.load_weights(TinyNet(), tmp_path / models.WEIGHTS)
    assert_same_weights(weights(net), weights(again))
    assert training.load_history(tmp_path) == history
    assert not again.training


def test_same_seed_same_run(frames, tmp_path):
    one, first = fit(frames, tmp_path / "one")
    two, second = fit(frames, tmp_path / "two")
    assert first.loss == second.loss
    assert_same_weights(weights(one), weights(two))


@pytest.mark.parametrize("stop_at", [1, 3, 7])
def test_resumed_run_ends_with_the_same_weights(frames, tmp_path, monkeypatch, stop_at):
    whole, expected = fit(frames, tmp_path / "whole")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)  # after every iteration

    class Interrupt(Exception):
        pass

    calls = []

    def loss_that_stops(outputs, label):
        calls.append(1)
        if len(calls) == stop_at + 1:
            raise Interrupt
        return training.segmentation_loss(outputs, label, (1.0, 0.4))

    with pytest.raises(Interrupt):
        fit(frames, tmp_path / "cut", loss_fn=loss_that_stops)
    assert not (tmp_path / "cut" / models.WEIGHTS).exists()
    # In a new process, parameters have other names and generators other states.
    net, history = fit(frames, tmp_path / "cut", net=tiny(seed=123))
    assert history.loss == expected.loss and history.lr == expected.lr
    assert_same_weights(weights(net), weights(whole))
    assert names(tmp_path / "cut") == [training.HISTORY, models.WEIGHTS]


def test_checkpoint_of_another_run_is_reported_and_not_resumed(frames, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)

    def fail(outputs, label):
        fail.calls += 1
        if fail.calls == 3:
            raise RuntimeError
        return training.segmentation_loss(outputs, label, (1.0, 0.4))

    fail.calls = 0
    with pytest.raises(RuntimeError):
        fit(frames, tmp_path, loss_fn=fail)
    other = replace(RECIPE, lr=0.01)
    capsys.readouterr()
    _, history = fit(frames, tmp_path, recipe=other)
    assert "another run (lr 0.05 instead of 0.01)" in capsys.readouterr().out
    _, expected = fit(frames, tmp_path / "fresh", recipe=other)
    assert history.loss == expected.loss


def test_exploding_loss_stops_the_run_and_keeps_the_saved_weights(frames, tmp_path):
    net, _ = fit(frames, tmp_path)
    good = weights(net)
    with pytest.raises(CourseError, match="(?s)iteration .* learning rate"):
        fit(frames, tmp_path, loss_fn=lambda outputs, label: outputs[0].mean() * float("nan"))
    assert_same_weights(weights(models.load_weights(TinyNet(), tmp_path / models.WEIGHTS)), good)


def test_loss_that_is_not_finite_is_not_stepped(frames, tmp_path):
    """Backward runs before the value is read: neither the weights nor the gradients may keep a trace of it."""
    net, calls = tiny(), []

    def loss_fn(outputs, label):
        calls.append(weights(net))
        return training.segmentation_loss(outputs, label, (1.0, 0.4)) * (float("inf") if len(calls) == 4 else 1.0)

    with pytest.raises(CourseError, match="loss became inf at iteration 4 of 12"):
        fit(frames, tmp_path, net=net, loss_fn=loss_fn)
    assert_same_weights(calls[-1], weights(net))
    assert len(calls) == 4 and not any(parameter.grad is not None for parameter in net.parameters())


def test_weights_of_another_network(tmp_path):
    models.save_weights(TinyNet(classes=5), tmp_path / "five.safetensors")
    with pytest.raises(CourseError, match="was trained for 5 classes, this network is for 19"):
        models.load_weights(TinyNet(), tmp_path / "five.safetensors")
    with pytest.raises(CourseError, match="no weights"):
        models.load_weights(TinyNet(), tmp_path / "none.safetensors")


def cut_after(count, frames, folder, monkeypatch):
    """Run with a checkpoint after every iteration, and fail in iteration `count` + 1."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    calls = []

    def loss_fn(outputs, label):
        calls.append(1)
        if len(calls) > count:
            raise KeyboardInterrupt
        return training.segmentation_loss(outputs, label, (1.0, 0.4))

    with pytest.raises(KeyboardInterrupt):
        fit(frames, folder, loss_fn=loss_fn)
    return sorted(folder.glob(checkpoint.PATTERN))


@pytest.mark.parametrize("damage", ["short", "flipped", "empty"])
def test_damaged_checkpoint_is_reported_and_the_previous_one_used(frames, tmp_path, monkeypatch, capsys, damage):
    whole, expected = fit(frames, tmp_path / "whole")
    kept = cut_after(5, frames, tmp_path / "cut", monkeypatch)
    assert [path.name for path in kept] == ["checkpoint_00000004.pdckpt", "checkpoint_00000005.pdckpt"]
    content = bytearray(kept[-1].read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    kept[-1].write_bytes({"short": content[:-1], "flipped": content, "empty": b""}[damage])
    net, history = fit(frames, tmp_path / "cut")
    assert f"{kept[-1]} is damaged" in capsys.readouterr().out
    assert history.loss == expected.loss
    assert_same_weights(weights(net), weights(whole))


def test_run_with_damaged_checkpoints_only_starts_from_scratch(frames, tmp_path, monkeypatch, capsys):
    for path in cut_after(3, frames, tmp_path, monkeypatch):
        path.write_bytes(b"no checkpoint")
    _, history = fit(frames, tmp_path)
    assert capsys.readouterr().out.count("is damaged") == 2
    assert len(history.loss) == RECIPE.iterations


def test_random_states_of_python_and_numpy_are_restored(frames, tmp_path, monkeypatch):
    """A loss that draws from them gets the same numbers as in an uninterrupted run."""
    import random

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)

    def drawing(stop, drawn):
        def loss_fn(outputs, label):
            if len(drawn) == stop:
                raise KeyboardInterrupt
            drawn.append((random.random(), np.random.rand()))
            return training.segmentation_loss(outputs, label, (1.0, 0.4))

        return loss_fn

    random.seed(5), np.random.seed(6)
    expected = []
    fit(frames, tmp_path / "whole", loss_fn=drawing(-1, expected))
    random.seed(5), np.random.seed(6)
    drawn = []
    with pytest.raises(KeyboardInterrupt):
        fit(frames, tmp_path / "cut", loss_fn=drawing(4, drawn))
    random.seed(77), np.random.seed(77)
    rest = []
    fit(frames, tmp_path / "cut", loss_fn=drawing(-1, rest))
    assert drawn + rest == expected


def test_weights_that_are_not_finite_are_never_saved(frames, tmp_path, monkeypatch):
    """A step from a finite loss can ruin the weights: the checkpoint before it must remain the last."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    net, calls = tiny(), []

    def loss_fn(outputs, label):
        calls.append(1)
        if len(calls) == 4:
            net.head.bias.register_hook(lambda gradient: gradient * float("inf"))
        return training.segmentation_loss(outputs, label, (1.0, 0.4))

    with pytest.raises(CourseError, match="(?s)not finite at iteration 4 of 12.*last good checkpoint.*00000003"):
        fit(frames, tmp_path, net=net, loss_fn=loss_fn)
    assert [path.name for path in sorted(tmp_path.glob(checkpoint.PATTERN))][-1] == "checkpoint_00000003.pdckpt"


def test_validation_saves_the_best_weights_and_calls_watch(frames, tmp_path):
    recipe = replace(RECIPE, iterations=10, validate_every=4)
    seen = []
    net, history = fit(
        frames,
        tmp_path,
        recipe=recipe,
        val_frames=frames[:3],
        watch=lambda count, net: seen.append((count, net.training)),
    )
    assert seen == [(4, False), (8, False), (10, False)]
    assert history.validated == [4, 8, 10] and len(history.miou) == 3
    best = models.load_weights(TinyNet(), tmp_path / training.BEST)
    matrix = sum(confusion_matrix(predict(best, read_image(f)), read_label(f), 19) for f in frames[:3])
    assert scores(matrix).miou == pytest.approx(max(history.miou), abs=1e-12)
    assert training.load_recipe(tmp_path)["lr"] == recipe.lr


def test_validation_does_not_change_training(frames, tmp_path):
    plain, _ = fit(frames, tmp_path / "plain")
    looked, _ = fit(frames, tmp_path / "looked", recipe=replace(RECIPE, validate_every=5), val_frames=frames[:2])
    assert_same_weights(weights(plain), weights(looked))


def test_scalars_are_written_for_visualdl(frames, tmp_path):
    from visualdl import LogReader

    _, history = fit(frames, tmp_path, scalars=True)
    log = next((tmp_path / loop.SCALARS).iterdir())
    logged = LogReader(file_path=str(log)).get_data("scalar", "train/loss")
    np.testing.assert_allclose([point.value for point in logged], history.loss, rtol=1e-6)
    assert [point.id for point in logged] == list(range(1, RECIPE.iterations + 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 1000}, "batch of 1000 images is larger than the data set.*batch_size"),
        ({"accumulate": 3}, "batch of 6 images is larger than the data set of 5.*accumulate"),
        ({"accumulate": 0}, "`accumulate` of at least 1, got 0"),
        ({"ema": 1.0}, "`ema` from 0 to below 1, got 1.0"),
        ({"patience": 2}, "after 2 validations.*nothing is validated"),
        ({"class_balance": 1.0}, "`class_balance` of 0 or above 1, got 1.0"),
        ({"losses": (("focal", 1.0),)}, "Unknown loss 'focal'.*lovasz"),
        ({"losses": (("dice", 0.0),)}, "no loss with a positive factor"),
        ({"optimiser": "lion"}, "Unknown optimiser 'lion'"),
    ],
)
def test_impossible_recipes(frames, tmp_path, change, message):
    with pytest.raises(CourseError, match=message):
        fit(frames, tmp_path, recipe=replace(RECIPE, **change))
    assert names(tmp_path) == []


def test_unavailable_device(frames, tmp_path):
    with pytest.raises(CourseError, match="'gpu:7'.*choose"):
        training.fit(tiny(), frames, RECIPE, seed=0, folder=tmp_path, device="gpu:7")
