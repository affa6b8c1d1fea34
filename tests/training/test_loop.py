"""The training loop: schedule and loss by hand, learning, reproducibility, error messages."""

from dataclasses import replace

import numpy as np
import paddle
import pytest
from paddle import nn
from tiny_network import TINY_RECIPE, TinyNet
from tiny_training import assert_same_weights, fit, names, tiny, weights

from helpers import models, training
from helpers.common.errors import CourseError
from helpers.datasets import class_pixels, read_image, read_label
from helpers.evaluation import confusion_matrix, predict, scores
from helpers.training import loop, schedule


def test_polynomial_decay_by_hand():
    recipe = replace(TINY_RECIPE, lr=0.1, min_lr=0.01, power=0.9, warmup=0, iterations=10)
    rates = [training.learning_rate(recipe, i) for i in range(10)]
    np.testing.assert_allclose(rates, [0.09 * (1 - i / 10) ** 0.9 + 0.01 for i in range(10)], rtol=1e-12)
    paddles = paddle.optimizer.lr.PolynomialDecay(0.1, decay_steps=10, end_lr=0.01, power=0.9)
    for rate in rates:
        assert rate == pytest.approx(paddles.get_lr(), rel=1e-12)
        paddles.step()


def test_warm_up_rises_to_the_full_rate():
    recipe = replace(TINY_RECIPE, lr=0.1, warmup=4, iterations=20)
    rates = [training.learning_rate(recipe, i) for i in range(20)]
    np.testing.assert_allclose(rates[:5], [0.02, 0.04, 0.06, 0.08, 0.1])
    assert (np.diff(rates[4:]) < 0).all() and rates[-1] > 0


@pytest.mark.parametrize(("name", "expected"), [("sgd", 0.95), ("adamw", 0.95), ("adam", 0.9)])
def test_weight_decay_of_a_weight_without_gradient(name, expected):
    """Start at 1, rate 0.1, decay 0.5: subtract rate times decay, or the rate where Adam normalises the gradient."""
    layer = nn.Linear(1, 1, bias_attr=False)
    layer.weight.set_value(paddle.ones([1, 1]))
    recipe = replace(TINY_RECIPE, optimiser=name, lr=0.1, weight_decay=0.5, warmup=0)
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
    net, history = fit(frames, tmp_path, recipe=replace(TINY_RECIPE, iterations=40))
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


def test_validation_saves_the_best_weights_and_calls_watch(frames, tmp_path):
    recipe = replace(TINY_RECIPE, iterations=10, validate_every=4)
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
    looked, _ = fit(frames, tmp_path / "looked", recipe=replace(TINY_RECIPE, validate_every=5), val_frames=frames[:2])
    assert_same_weights(weights(plain), weights(looked))


def test_scalars_are_written_for_visualdl(frames, tmp_path):
    from visualdl import LogReader

    _, history = fit(frames, tmp_path, scalars=True)
    log = next((tmp_path / loop.SCALARS).iterdir())
    logged = LogReader(file_path=str(log)).get_data("scalar", "train/loss")
    np.testing.assert_allclose([point.value for point in logged], history.loss, rtol=1e-6)
    assert [point.id for point in logged] == list(range(1, TINY_RECIPE.iterations + 1))


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
        fit(frames, tmp_path, recipe=replace(TINY_RECIPE, **change))
    assert names(tmp_path) == []


def test_unavailable_device(frames, tmp_path):
    with pytest.raises(CourseError, match="'gpu:7'.*choose"):
        training.fit(tiny(), frames, TINY_RECIPE, seed=0, folder=tmp_path, device="gpu:7")
