"""Scores by hand, in limit cases, and against independent implementations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score, confusion_matrix, jaccard_score

from helpers import evaluation
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, Classes

NUM_CLASSES = 19


@pytest.fixture(scope="module")
def random_pair():
    rng = np.random.default_rng(0)
    label = rng.choice([*range(NUM_CLASSES), IGNORE], size=(40, 50)).astype(np.uint8)
    prediction = np.where(rng.random(label.shape) < 0.6, label, rng.integers(0, NUM_CLASSES, label.shape))
    prediction[prediction == IGNORE] = 3
    return prediction.astype(np.uint8), label


def test_four_by_four_by_hand():
    label = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [2, 2, 1, 1], [2, 2, 255, 255]], dtype=np.uint8)
    prediction = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [2, 0, 1, 1], [2, 2, 2, 2]], dtype=np.uint8)
    matrix = evaluation.confusion_matrix(prediction, label, num_classes=3)
    np.testing.assert_array_equal(matrix, [[5, 1, 0], [0, 4, 0], [1, 0, 3]])
    scores = evaluation.scores(matrix)
    np.testing.assert_allclose(scores.class_iou, [5 / 7, 4 / 5, 3 / 4])
    np.testing.assert_allclose(scores.class_acc, [5 / 6, 1, 3 / 4])
    assert scores.acc == pytest.approx(12 / 14)
    chance = (6 * 6 + 4 * 5 + 4 * 3) / 14**2
    assert scores.kappa == pytest.approx((12 / 14 - chance) / (1 - chance))


def test_against_scikit_learn(random_pair):
    prediction, label = random_pair
    keep = label != IGNORE
    matrix = evaluation.confusion_matrix(prediction, label, NUM_CLASSES)
    np.testing.assert_array_equal(matrix, confusion_matrix(label[keep], prediction[keep], labels=range(NUM_CLASSES)))
    scores = evaluation.scores(matrix)
    np.testing.assert_allclose(scores.class_iou, jaccard_score(label[keep], prediction[keep], average=None))
    assert scores.kappa == pytest.approx(cohen_kappa_score(label[keep], prediction[keep]), abs=1e-12)


# Published for U-HRNet on Cityscapes val: IoU of the 19 classes, and mIoU.
PUBLISHED = {
    "W18-small IoU": (
        "0.9843 0.868 0.9312 0.6085 0.6496 0.6806 0.7141 0.7916 0.9295 0.6752 0.9516 0.8232 0.6275 0.9533 0.8042 0.8559"
        " 0.7366 0.6296 0.7693",
        0.7886,
    ),
    "W48 IoU": (
        "0.9855 0.8824 0.9373 0.6497 0.6827 0.7154 0.7584 0.8277 0.9317 0.6794 0.9545 0.8474 0.6691 0.9599 0.861 0.9099"
        " 0.8631 0.6784 0.7984",
        0.8206,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_class_lists_average_to_the_published_means(name):
    """Build a confusion matrix with these IoUs, and compare the mean of its scores."""
    values, mean = PUBLISHED[name]
    iou = np.array([float(value) for value in values.split()])
    assert len(iou) == NUM_CLASSES
    # Class c has 10,000 pixels, of which the fraction IoU_c is correct. The others are predicted as one more class, so
    # the union of each class is its row.
    right = np.rint(10_000 * iou).astype(int)
    matrix = np.zeros((NUM_CLASSES + 1, NUM_CLASSES + 1), dtype=int)
    matrix[range(NUM_CLASSES), range(NUM_CLASSES)] = right
    matrix[:NUM_CLASSES, NUM_CLASSES] = 10_000 - right
    scores = evaluation.scores(matrix)
    np.testing.assert_allclose(scores.class_iou[:NUM_CLASSES], iou, atol=1e-12)
    assert scores.class_iou[:NUM_CLASSES].mean() == pytest.approx(mean, abs=5e-5)


def test_precision_dice_and_frequency_weighted_iou_by_hand():
    scores = evaluation.scores(np.array([[5, 1, 0], [0, 4, 0], [1, 0, 3]]))
    np.testing.assert_allclose(scores.class_precision, [5 / 6, 4 / 5, 1])
    np.testing.assert_allclose(scores.class_dice, [10 / 12, 8 / 9, 6 / 7])
    assert scores.fw_iou == pytest.approx((6 * 5 / 7 + 4 * 4 / 5 + 4 * 3 / 4) / 14)
    assert scores.mean_acc == pytest.approx((5 / 6 + 1 + 3 / 4) / 3)
    assert scores.mean_dice == pytest.approx((10 / 12 + 8 / 9 + 6 / 7) / 3)
    assert scores.category_iou.size == 0 and np.isnan(scores.category_miou)  # without names there are no categories


def test_categories_merge_their_classes():
    """All cars are predicted as trucks: the classes score 0, the category vehicle 1."""
    matrix = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=int)
    matrix[CITYSCAPES.index("car"), CITYSCAPES.index("truck")] = 30
    matrix[CITYSCAPES.index("road"), CITYSCAPES.index("sky")] = 10
    scores = evaluation.scores(matrix, CITYSCAPES)
    by_name = dict(zip(CITYSCAPES.category_names, scores.category_iou, strict=True))
    assert by_name["vehicle"] == 1 and by_name["flat"] == 0 and by_name["sky"] == 0
    assert np.isnan(by_name["human"])
    assert scores.category_miou == pytest.approx(1 / 3) and scores.miou == 0


def test_categories_of_other_classes_by_hand():
    colours = ((1, 0, 0), (2, 0, 0), (3, 0, 0))
    matrix = np.array([[5, 2, 0], [1, 4, 0], [2, 0, 6]])
    merged = Classes(("soil", "leaf", "spot"), colours, categories=("ground", "plant", "plant"))
    np.testing.assert_allclose(evaluation.scores(matrix, merged).category_iou, [5 / 10, 10 / 15])
    plain = Classes(("soil", "leaf", "spot"), colours)
    assert evaluation.scores(matrix, plain).category_iou.size == 0
    with pytest.raises(CourseError, match="of the 3 classes, got one of 2: count it with num_classes=3"):
        evaluation.scores(matrix[:2, :2], plain)


@given(
    arrays(np.int64, (NUM_CLASSES, NUM_CLASSES), elements=st.integers(0, 1000)),
    st.permutations(range(NUM_CLASSES)),
)
def test_scores_are_in_range_and_independent_of_the_order_of_classes(matrix, order):
    one, other = evaluation.scores(matrix), evaluation.scores(matrix[np.ix_(order, order)])
    for name in ("miou", "acc", "kappa", "fw_iou"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-12)
    np.testing.assert_allclose(one.class_iou[list(order)], other.class_iou)
    dice = one.class_dice
    np.testing.assert_allclose(one.class_iou, dice / (2 - dice))  # Dice determines IoU
    assert not np.any((one.class_iou < 0) | (one.class_iou > 1))


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.zeros(4), np.array([[1, -1], [0, 2]])])
def test_invalid_confusion_matrices(matrix):
    with pytest.raises(CourseError, match="confusion matrix"):
        evaluation.scores(matrix)


def test_limit_cases():
    perfect = evaluation.scores(np.diag([3, 4, 0]))
    assert (perfect.miou, perfect.acc, perfect.kappa) == (1, 1, 1)
    assert np.isnan(perfect.class_iou[2])
    disjoint = evaluation.scores(np.array([[0, 5], [5, 0]]))
    assert (disjoint.miou, disjoint.acc, disjoint.kappa) == (0, 0, -1)
    nothing = evaluation.scores(np.zeros((3, 3), dtype=int))
    assert np.isnan([nothing.miou, nothing.acc, nothing.kappa]).all()


def test_a_class_that_is_only_predicted_scores_zero():
    scores = evaluation.scores(np.array([[4, 2], [0, 0]]))
    np.testing.assert_allclose(scores.class_iou, [4 / 6, 0])
    assert np.isnan(scores.class_acc[1])
    assert scores.miou == pytest.approx(2 / 6)


def test_all_ignored_counts_nothing():
    label = np.full((3, 3), IGNORE, dtype=np.uint8)
    assert evaluation.confusion_matrix(np.zeros_like(label), label, NUM_CLASSES).sum() == 0


@pytest.mark.parametrize(
    ("prediction", "label", "sentence"),
    [
        ([[0, 1]], [[0], [1]], "same size"),
        ([[0, 19]], [[0, 1]], "prediction has the value 19"),
        ([[0, -1]], [[0, 1]], "prediction has the value -1"),
        ([[0, 1]], [[0, 33]], "label has the value 33"),
        ([[0, 255]], [[0, 1]], "prediction has the value 255"),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_bad_input(prediction, label, sentence, dtype):
    if np.min(prediction) < 0:
        dtype = np.int64  # a byte has no sign
    with pytest.raises(CourseError, match=sentence):
        evaluation.confusion_matrix(np.array(prediction, dtype), np.array(label, dtype), NUM_CLASSES)


def test_strided_arrays_and_other_types_count_the_same(random_pair):
    prediction, label = random_pair
    expected = evaluation.confusion_matrix(prediction, label, NUM_CLASSES)
    wide = np.repeat(label, 2, axis=1)
    np.testing.assert_array_equal(evaluation.confusion_matrix(prediction, wide[:, ::2], NUM_CLASSES), expected)
    np.testing.assert_array_equal(
        evaluation.confusion_matrix(prediction.astype(np.int64), label, NUM_CLASSES), expected
    )
    odd = evaluation.confusion_matrix(prediction.ravel()[:-1], label.ravel()[:-1], NUM_CLASSES)  # 1999 pixels
    assert odd.sum() == (label.ravel()[:-1] != IGNORE).sum()


def test_a_value_out_of_range_under_an_ignored_pixel_is_harmless():
    assert evaluation.confusion_matrix(np.array([[200, 1]]), np.array([[IGNORE, 1]]), 2)[1, 1] == 1
