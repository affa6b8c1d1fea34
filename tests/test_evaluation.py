"""Scores: by hand, at the limits, and against independent implementations."""

import numpy as np
import paddle
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, jaccard_score
from tiny_cityscapes import write_set

from helpers import evaluation, models
from helpers.cityscapes import IGNORE, NUM_CLASSES, index, read_label
from helpers.errors import CourseError

# Published with U-HRNet on Cityscapes val: IoU and accuracy of the 19 classes.
W18_SMALL_IOU = "0.9843 0.868 0.9312 0.6085 0.6496 0.6806 0.7141 0.7916 0.9295 0.6752 0.9516 0.8232 0.6275 0.9533 0.8042 0.8559 0.7366 0.6296 0.7693"  # fmt: skip # noqa: E501


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
    matrix = evaluation.confusion_matrix(prediction, label)
    np.testing.assert_array_equal(matrix, confusion_matrix(label[keep], prediction[keep], labels=range(NUM_CLASSES)))
    scores = evaluation.scores(matrix)
    np.testing.assert_allclose(scores.class_iou, jaccard_score(label[keep], prediction[keep], average=None))
    assert scores.kappa == pytest.approx(cohen_kappa_score(label[keep], prediction[keep]), abs=1e-12)


def test_against_cityscapesscripts(random_pair):
    """The official evaluator works on label ids and has the ignored ones in its matrix."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
    from cityscapesscripts.helpers.labels import trainId2label

    prediction, label = random_pair
    to_id = np.zeros(256, dtype=np.uint8)
    for train_id in range(NUM_CLASSES):
        to_id[train_id] = trainId2label[train_id].id
    matrix = official.generateMatrix(official.args)
    for row, column in zip(to_id[label].ravel(), to_id[prediction].ravel(), strict=True):
        matrix[row, column] += 1
    expected = [
        official.getIouScoreForLabel(trainId2label[train_id].id, matrix, official.args)
        for train_id in range(NUM_CLASSES)
    ]
    scores = evaluation.scores(evaluation.confusion_matrix(prediction, label))
    np.testing.assert_allclose(scores.class_iou, expected, rtol=0, atol=1e-12)
    assert scores.miou == pytest.approx(np.mean(expected), abs=1e-12)


def test_published_class_list_averages_to_the_published_mean():
    assert np.mean([float(value) for value in W18_SMALL_IOU.split()]) == pytest.approx(0.7886, abs=5e-5)


def test_limits():
    perfect = evaluation.scores(np.diag([3, 4, 0]))
    assert (perfect.miou, perfect.acc, perfect.kappa) == (1, 1, 1)
    assert np.isnan(perfect.class_iou[2])
    disjoint = evaluation.scores(np.array([[0, 5], [5, 0]]))
    assert (disjoint.miou, disjoint.acc, disjoint.kappa) == (0, 0, -1)
    nothing = evaluation.scores(np.zeros((3, 3), dtype=int))
    assert np.isnan([nothing.miou, nothing.acc, nothing.kappa]).all()


def test_class_that_is_only_predicted_scores_zero():
    scores = evaluation.scores(np.array([[4, 2], [0, 0]]))
    np.testing.assert_allclose(scores.class_iou, [4 / 6, 0])
    assert np.isnan(scores.class_acc[1])
    assert scores.miou == pytest.approx(2 / 6)


def test_all_ignored_counts_nothing():
    label = np.full((3, 3), IGNORE, dtype=np.uint8)
    assert evaluation.confusion_matrix(np.zeros_like(label), label).sum() == 0


@pytest.mark.parametrize(
    ("prediction", "label", "sentence"),
    [
        ([[0, 1]], [[0], [1]], "same size"),
        ([[0, 19]], [[0, 1]], "prediction has the value 19"),
        ([[0, -1]], [[0, 1]], "prediction has the value -1"),
        ([[0, 1]], [[0, 33]], "label has the value 33"),
    ],
)
def test_bad_input(prediction, label, sentence):
    with pytest.raises(CourseError, match=sentence):
        evaluation.confusion_matrix(np.array(prediction), np.array(label))


def test_a_value_out_of_range_under_an_ignored_pixel_is_harmless():
    assert evaluation.confusion_matrix(np.array([[200, 1]]), np.array([[IGNORE, 1]]))[1, 1] == 1


def test_evaluate_adds_the_frames_up(tmp_path):
    frames = index(write_set(tmp_path), "val")
    labels = [read_label(frame) for frame in frames]
    matrix = evaluation.evaluate(lambda image: np.zeros(image.shape[:2], dtype=np.uint8), frames)
    assert matrix.sum() == sum((label != IGNORE).sum() for label in labels)
    assert matrix[:, 1:].sum() == 0
    with pytest.raises(CourseError, match="empty"):
        evaluation.evaluate(lambda image: image, [])


def test_predict_is_the_argmax_and_leaves_the_mode():
    net = models.build("hrnet_w18_small_v1", seed=0)
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    net.train()
    train_ids = evaluation.predict(net, image)
    assert net.training
    assert train_ids.shape == (32, 64) and train_ids.dtype == np.uint8
    net.eval()
    tensor = paddle.to_tensor(((image / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].astype("float32"))
    np.testing.assert_array_equal(train_ids, net(tensor)[0].numpy()[0].argmax(axis=0))


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_predict_wants_rgb(image):
    with pytest.raises(CourseError, match="RGB"):
        evaluation.predict(models.build("hrnet_w18_small_v1"), image)
