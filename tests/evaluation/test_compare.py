"""Comparison of two networks: limits of the bootstrap; maps and regions worked out by hand."""

import numpy as np
import pytest

from helpers.common.errors import CourseError
from helpers.datasets import IGNORE
from helpers.evaluation import Evaluation, compare, scores

NUM_CLASSES = 19


def evaluation_of(*matrices) -> Evaluation:
    full = np.zeros((len(matrices), NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
    for i, matrix in enumerate(matrices):
        full[i, : len(matrix), : len(matrix)] = matrix
    return Evaluation(tuple(f"frame{i}" for i in range(len(matrices))), full)


def random_evaluation(seed: int, right: float) -> Evaluation:
    rng = np.random.default_rng(seed)
    matrices = []
    for _ in range(12):
        matrix = rng.integers(0, 40, (4, 4))
        matrix[range(4), range(4)] += int(200 * right)
        matrices.append(matrix)
    return evaluation_of(*matrices)


def test_a_network_does_not_differ_from_itself():
    one = random_evaluation(0, 1.0)
    result = compare.paired_bootstrap(one, one, samples=50)
    assert result.miou == (0, 0, 0)
    np.testing.assert_array_equal(result.class_iou[:, :4], 0)
    assert np.isnan(result.class_iou[:, 4:]).all()


def test_the_interval_contains_the_difference():
    worse, better = random_evaluation(1, 0.5), random_evaluation(2, 2.0)
    result = compare.paired_bootstrap(worse, better, samples=500)
    difference, low, high = result.miou
    assert difference == pytest.approx(better.scores.miou - worse.scores.miou, abs=1e-12)
    np.testing.assert_allclose(
        result.class_iou[0, :4], (better.scores.class_iou - worse.scores.class_iou)[:4], atol=1e-12
    )
    assert 0 < low < difference < high
    back = compare.paired_bootstrap(better, worse, samples=500)
    np.testing.assert_allclose(back.miou, (-difference, -high, -low), atol=1e-12)


def test_two_frames_by_hand():
    """First network: frame 0 all correct, frame 1 all wrong; second: the opposite. Draws: 00, 01 or 10, 11."""
    good, bad = np.diag([10, 10]), np.array([[0, 10], [10, 0]])
    result = compare.paired_bootstrap(evaluation_of(good, bad), evaluation_of(bad, good), samples=4000)
    assert result.miou[0] == 0
    values, counts = np.unique(result.samples, return_counts=True)
    np.testing.assert_allclose(values, [-1, 0, 1])
    np.testing.assert_allclose(counts / 4000, [0.25, 0.5, 0.25], atol=0.03)
    assert result.miou[1:] == (-1, 1)


def test_each_draw_is_scored_as_a_set_of_frames():
    one, two = random_evaluation(3, 1.0), random_evaluation(4, 1.0)
    times = np.random.default_rng(0).integers(0, 3, (1, 12))
    repeated = [np.repeat(each.frame_matrices, times[0], axis=0).sum(axis=0) for each in (one, two)]
    expected = scores(repeated[1]).miou - scores(repeated[0]).miou
    assert compare._mean_difference(one, two, times)[0] == pytest.approx(expected, abs=1e-12)


def test_invalid_comparisons():
    one = random_evaluation(0, 1.0)
    other = Evaluation(one.stems[:5], one.frame_matrices[:5])
    with pytest.raises(CourseError, match="12 and 5 frames"):
        compare.paired_bootstrap(one, other)
    with pytest.raises(CourseError, match="of the same classes, got 19 and 4"):
        compare.paired_bootstrap(one, Evaluation(one.stems, one.frame_matrices[:, :4, :4]))
    with pytest.raises(CourseError, match="at least one"):
        compare.paired_bootstrap(one, one, samples=0)
    with pytest.raises(CourseError, match="same size"):
        compare.error_map(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 3)))


def test_error_map_by_hand():
    label = np.array([[0, 0, 0, 0, IGNORE]], dtype=np.uint8)
    first = np.array([[0, 0, 1, 1, 3]], dtype=np.uint8)
    second = np.array([[0, 2, 0, 2, 0]], dtype=np.uint8)
    expected = [[compare.BOTH_RIGHT, compare.ONLY_FIRST, compare.ONLY_SECOND, compare.BOTH_WRONG, IGNORE]]
    np.testing.assert_array_equal(compare.error_map(first, second, label), expected)


def test_regions_by_hand():
    """Two cars of 5 x 4 and 3 x 3 on road. The upper 3 rows of the first are predicted, with a column too many; the
    second is missed; a false positive touches neither."""
    label = np.zeros((20, 20), dtype=np.uint8)
    label[2:7, 2:6] = 13
    label[2:5, 12:15] = 13
    prediction = np.zeros_like(label)
    prediction[2:5, 1:6] = 13
    prediction[15:18, 15:18] = 13
    found = {(each.class_id, each.area): each for each in compare.region_overlaps(prediction, label, smallest=1)}
    big, small, road = found[13, 20], found[13, 9], found[0, 400 - 29]
    assert big.iou == pytest.approx(12 / (20 + 3)) and small.iou == 0
    assert (big.width, small.width) == (3, 3)
    # The predicted road is one piece of 400 - 15 - 9 pixels, of which 8 + 9 are car.
    assert road.iou == pytest.approx((400 - 15 - 9 - 17) / (400 - 29 + 17))
    assert [each.area for each in compare.region_overlaps(prediction, label, smallest=16)] == [371, 20]


def test_a_perfect_prediction_and_ignored_pixels():
    rng = np.random.default_rng(0)
    label = np.repeat(np.repeat(rng.integers(0, 4, (6, 8)), 5, 0), 5, 1).astype(np.uint8)
    label[:, :3] = IGNORE
    assert all(each.iou == 1 for each in compare.region_overlaps(label, label))
    everything = np.where(label == IGNORE, 0, label)
    assert all(each.iou == 1 for each in compare.region_overlaps(everything, label))
    assert list(compare.region_overlaps(label, np.full_like(label, IGNORE))) == []


def test_a_long_pole_is_thin():
    label = np.zeros((60, 30), dtype=np.uint8)
    label[5:55, 10:13] = 5
    pole = next(each for each in compare.region_overlaps(label, label) if each.class_id == 5)
    assert (pole.area, pole.width) == (150, 3)


def test_mean_by_bins():
    mean, count = compare.mean_iou_by(np.array([1, 2, 15, 99, 100]), np.array([0.2, 0.4, 0.5, 1, 1]), [1, 10, 20, 100])
    np.testing.assert_allclose(mean, [0.3, 0.5, 1])
    assert count.tolist() == [2, 1, 1]
    assert np.isnan(compare.mean_iou_by(np.array([5]), np.array([1.0]), [1, 2, 10])[0][0])
