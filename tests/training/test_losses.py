"""The losses by hand, against NumPy, and in edge cases."""

import numpy as np
import paddle
import pytest

from helpers.training import LOSSES, segmentation_loss

CLASSES = 4


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (2, CLASSES, 6, 8)).astype("float32")
    label = generator.integers(0, CLASSES, (2, 6, 8))
    label[0, :2] = 255
    return logits, label


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def loss(logits, label, name, **kwargs):
    return segmentation_loss(
        [paddle.to_tensor(logits)], paddle.to_tensor(label), (1.0,), losses=((name, 1.0),), **kwargs
    ).item()


def true_class(values, label):
    """Pick the values (N, C, H, W) of the true class at each labelled pixel."""
    known = label != 255
    return np.take_along_axis(values, np.where(known, label, 0)[:, None], axis=1)[:, 0][known]


def test_cross_entropy(batch):
    logits, label = batch
    assert loss(logits, label, "cross_entropy") == pytest.approx(
        -np.log(true_class(softmax(logits), label)).mean(), rel=1e-5
    )


def test_ohem_counts_the_pixels_below_the_threshold(batch):
    logits, label = batch
    probability = true_class(softmax(logits), label)
    hard = probability[probability < 0.7]
    assert 0 < hard.size < probability.size
    assert loss(logits, label, "ohem") == pytest.approx(-np.log(hard).mean(), rel=1e-3)


def test_dice(batch):
    logits, label = batch
    known = (label != 255)[:, None]
    probability = softmax(logits) * known
    truth = (label[:, None] == np.arange(CLASSES).reshape(1, -1, 1, 1)) * known
    overlap, both = (probability * truth).sum((2, 3)), (probability + truth).sum((2, 3))
    assert loss(logits, label, "dice") == pytest.approx((1 - (2 * overlap + 1) / (both + 1)).mean(), rel=1e-5)


def test_lovasz_of_hard_predictions_is_the_mean_of_one_minus_iou(batch):
    """For hard predictions, the Lovász extension equals the set function that it extends, the Jaccard loss."""
    _, label = batch
    guess = np.random.default_rng(1).integers(0, CLASSES, label.shape)
    logits = 50.0 * (guess[:, None] == np.arange(CLASSES).reshape(1, -1, 1, 1)).astype("float32")
    known = label != 255
    ious = [
        ((guess == c) & (label == c) & known).sum() / (((guess == c) | (label == c)) & known).sum()
        for c in range(CLASSES)
    ]
    assert loss(logits, label, "lovasz") == pytest.approx(1 - np.mean(ious), rel=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_perfect_predictions_have_no_loss_and_ignored_pixels_no_gradient(name, batch):
    _, label = batch
    perfect = 40.0 * (label[:, None] == np.arange(CLASSES).reshape(1, -1, 1, 1)).astype("float32")
    assert loss(perfect, label, name) == pytest.approx(0, abs=1e-4)
    logits = paddle.to_tensor(batch[0], stop_gradient=False)
    segmentation_loss([logits], paddle.to_tensor(label), (1.0,), losses=((name, 1.0),)).backward()
    gradient = logits.grad.numpy()
    assert not gradient[0, :, :2].any() and gradient[1].any()


@pytest.mark.parametrize("name", LOSSES)
def test_loss_without_labelled_pixels_is_a_finite_scalar(name, batch):
    logits, label = batch
    value = segmentation_loss(
        [paddle.to_tensor(logits)], paddle.full_like(paddle.to_tensor(label), 255), (1.0,), losses=((name, 1.0),)
    )
    assert value.shape == [] and np.isfinite(value.item())


def test_mixture_is_the_weighted_sum_and_does_not_change_the_label(batch):
    logits, label = batch
    given = paddle.to_tensor(label)
    mixture = (("cross_entropy", 0.5), ("dice", 2.0), ("lovasz", 1.0), ("ohem", 0.25))
    outputs = [paddle.to_tensor(logits), paddle.to_tensor(-logits)]
    total = segmentation_loss(outputs, given, (1.0, 0.4), losses=mixture).item()
    expected = sum(
        weight * factor * loss(values, label, name)
        for values, weight in ((logits, 1.0), (-logits, 0.4))
        for name, factor in mixture
    )
    assert total == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(given.numpy(), label)


def test_smaller_output_is_compared_with_every_second_label_pixel(batch):
    logits, label = batch
    small = logits[:, :, ::2, ::2]
    assert loss(small, label, "cross_entropy") == pytest.approx(loss(small, label[:, ::2, ::2], "cross_entropy"))
