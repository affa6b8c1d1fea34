"""Evaluation against cityscapesScripts' evaluator, in one process and in several, and its errors."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import trainId2label
from tiny_cityscapes import write_set

from helpers import evaluation, models
from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import IGNORE, open_dataset, read_image, read_label
from helpers.evaluation import Evaluation, evaluating
from helpers.evaluation.submission import NAME_END, submit


def guess(image):
    """Return train ids that depend on the pixels: every class occurs, few are correct."""
    return (image.sum(axis=2, dtype=np.int64) % 19).astype(np.uint8)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    root = write_set(tmp_path_factory.mktemp("set"), {"val": {"lindau": 14, "munster": 8}})
    # One image has only ignored pixels.
    frames = open_dataset(root).frames("val")
    for kind, value in (("labelTrainIds", IGNORE), ("labelIds", 0)):
        write_grey(frames[3].annotation(kind), np.full((32, 64), value, np.uint8))
    return frames


def write_grey(path: Path, pixels: np.ndarray) -> None:
    assert cv2.imwrite(str(path), pixels)


def test_equals_cityscapesscripts_on_files(frames, tmp_path):
    """With void, ignored and group labels in both label maps; scores equal to 1e-12."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official

    # Every other pixel is correct, so that scores are neither 0 nor 1.
    def predict(image):
        labels, truth = guess(image), read_label(next(pending))
        every_other = np.arange(labels.size).reshape(labels.shape) % 2 == 0
        return np.where(every_other & (truth != IGNORE), truth, labels)

    pending = iter(frames)
    submit(predict, frames, tmp_path / "results")
    pending = iter(frames)
    mine = evaluation.evaluate(predict, frames)

    args = official.args
    saved = dict(vars(args))
    try:
        args.quiet, args.JSONOutput, args.evalInstLevelScore = True, False, True
        args.predictionPath = args.predictionWalk = None
        truth = [str(frame.annotation("labelIds")) for frame in frames]
        args.predictionPath = str(tmp_path / "results")
        found = [official.getPrediction(args, path) for path in truth]
        expected = official.evaluateImgLists(found, truth, args)
    finally:
        vars(args).update(saved)
    assert [Path(path).name for path in found] == [f"{frame.stem}{NAME_END}" for frame in frames]
    assert len(frames) >= 20
    matrix = np.array(expected["confMatrix"])
    assert matrix[[1, 4]].sum() > 0  # ego vehicle, static: pixels that are not scored
    for name, iou in zip(CITYSCAPES.names, mine.scores.class_iou, strict=True):
        np.testing.assert_allclose(iou, expected["classScores"][name], rtol=0, atol=1e-12)
    for name, iou in zip(CITYSCAPES.category_names, mine.scores.category_iou, strict=True):
        np.testing.assert_allclose(iou, expected["categoryScores"][name], rtol=0, atol=1e-12)
    assert mine.scores.miou == pytest.approx(expected["averageScoreClasses"], abs=1e-12)
    assert mine.scores.category_miou == pytest.approx(expected["averageScoreCategories"], abs=1e-12)
    assert 0.1 < mine.scores.miou < 0.9


def test_sums_the_frames_and_keeps_each(frames):
    result = evaluation.evaluate(guess, frames)
    assert result.stems == tuple(frame.stem for frame in frames)
    assert result.matrix.sum() == sum((read_label(frame) != IGNORE).sum() for frame in frames)
    single = evaluation.evaluate(guess, frames[5:6])
    np.testing.assert_array_equal(single.matrix, result.frame_matrices[5])
    assert result.frame_scores()[5].miou == single.scores.miou
    assert np.isnan(result.frame_scores()[3].miou)  # the frame with only ignored pixels
    assert evaluation.scores(result).miou == result.scores.miou
    np.testing.assert_array_equal(np.asarray(result), result.matrix)
    assert set(result.seconds) == {"read", "prepare", "network", "score", "keep", "total"}


def test_reading_ahead_is_limited(frames, monkeypatch):
    """Few images are in memory at a time, for any number of frames."""
    read, used = [], []

    def pair(frame):
        read.append(frame)
        return np.zeros((32, 64, 3), np.uint8), np.zeros((32, 64), np.uint8)

    monkeypatch.setattr(evaluating, "read_pair", pair)

    def predict(image):
        used.append(len(read))
        return np.zeros((32, 64), np.uint8)

    evaluation.evaluate(predict, frames)
    assert len(read) == len(frames)
    assert all(ahead <= number + 1 + evaluating.AHEAD for number, ahead in enumerate(used))


def test_several_processes_compute_exactly_the_same(frames, tmp_path):
    net = models.build("fastscnn", seed=0)
    weights = tmp_path / "fastscnn" / models.WEIGHTS
    models.save_weights(net, weights)
    one = evaluation.evaluate("fastscnn", frames, weights=weights)
    two = evaluation.evaluate("fastscnn", frames, weights=weights, workers=2)
    np.testing.assert_array_equal(two.frame_matrices, one.frame_matrices)
    assert two.stems == one.stems
    assert len(np.unique(np.nonzero(one.matrix)[1])) > 1  # it predicts more than one class
    with pytest.raises(CourseError, match="cannot share a network in memory"):
        evaluation.evaluate(net, frames, workers=2)
    with pytest.raises(CourseError, match="at least one process, got workers=0"):
        evaluation.evaluate(weights, frames, workers=0)


def test_keep_saves_the_predictions(frames, tmp_path):
    evaluation.evaluate(guess, frames[:2], keep=tmp_path / "kept")
    for frame in frames[:2]:
        np.testing.assert_array_equal(evaluation.read_prediction(tmp_path / "kept", frame), guess(read_image(frame)))
    with pytest.raises(CourseError, match="is missing: evaluate"):
        evaluation.read_prediction(tmp_path / "kept", frames[2])


def test_save_and_load(frames, tmp_path):
    result = evaluation.evaluate(guess, frames[:3])
    result.save(tmp_path / "scores.npz")
    again = Evaluation.load(tmp_path / "scores.npz")
    assert again.stems == result.stems and again.seconds == result.seconds
    assert again.scores.category_miou == result.scores.category_miou > 0
    assert again.classes.names == CITYSCAPES.names and again.classes.colours == CITYSCAPES.colours
    np.testing.assert_array_equal(again.frame_matrices, result.frame_matrices)
    (tmp_path / "other.npz").write_text(json.dumps({"no": "archive"}))
    with pytest.raises(CourseError, match="not a saved evaluation"):
        Evaluation.load(tmp_path / "other.npz")
    data = (tmp_path / "scores.npz").read_bytes()
    for damaged in (data[: len(data) // 2], data[:200] + bytes(200) + data[400:], b""):
        (tmp_path / "other.npz").write_bytes(damaged)
        with pytest.raises(CourseError, match="not a saved evaluation"):
            Evaluation.load(tmp_path / "other.npz")
    with pytest.raises(CourseError, match="a file name that ends in .npz, got .*scores"):
        result.save(tmp_path / "scores")


@pytest.mark.parametrize(
    ("predict", "sentence"),
    [
        (lambda image: np.zeros((31, 64), np.uint8), "lindau_000000_000019: Prediction .* must have the same size"),
        (lambda image: np.full((32, 64), 19, np.uint8), "lindau_000000_000019: The prediction has the value 19"),
        (lambda image: np.full((32, 64), IGNORE, np.uint8), "prediction has the value 255"),
    ],
)
def test_predictions_that_cannot_be_scored(frames, predict, sentence):
    with pytest.raises(CourseError, match=sentence):
        evaluation.evaluate(predict, frames)


def test_a_failing_network_ends_the_evaluation(frames):
    def breaks(image):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        evaluation.evaluate(breaks, frames)
    with pytest.raises(CourseError, match="at least one frame to evaluate"):
        evaluation.evaluate(guess, [])


def test_a_damaged_frame_is_named(tmp_path):
    frames = open_dataset(write_set(tmp_path)).frames("val")
    frames[1].image.write_bytes(b"not an image")
    with pytest.raises(CourseError, match=frames[1].image.name):
        evaluation.evaluate(guess, frames)
    write_grey(frames[0].label, np.full((32, 64), 19, np.uint8))
    with pytest.raises(CourseError, match="19"):
        evaluation.evaluate(guess, frames[:1])


def test_submission(frames, tmp_path):
    some = frames[:3]
    archive = submit(guess, some, tmp_path / "out", archive=True)
    assert archive.name == "out.zip"
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [f"{frame.stem}{NAME_END}" for frame in some]
    written = cv2.imread(str(tmp_path / "out" / files[0]), cv2.IMREAD_UNCHANGED)
    assert written.shape == (32, 64) and written.dtype == np.uint8
    expected = np.vectorize(lambda train_id: trainId2label[train_id].id)(guess(read_image(some[0])))
    np.testing.assert_array_equal(written, expected)
    submit(lambda image: pytest.fail("predicted again"), some, tmp_path / "out", resume=True)
    for damaged in (b"", b"no image", (tmp_path / "out" / files[0]).read_bytes()[:-20]):
        (tmp_path / "out" / files[1]).write_bytes(damaged)
        submit(guess, some, tmp_path / "out", resume=True)
        assert cv2.imread(str(tmp_path / "out" / files[1]), cv2.IMREAD_UNCHANGED).shape == (32, 64)
    submit(lambda image: np.zeros(image.shape[:2], np.uint8), some, tmp_path / "out")
    assert set(np.unique(cv2.imread(str(tmp_path / "out" / files[0]), cv2.IMREAD_UNCHANGED))) == {7}  # road
    with pytest.raises(CourseError, match="belongs to no frame of the list"):
        submit(guess, some[:2], tmp_path / "out")
    with pytest.raises(CourseError, match="expected a prediction of the size of the frame"):
        submit(lambda image: np.zeros((3, 3), np.uint8), some, tmp_path / "small")
    with pytest.raises(CourseError, match="at least one frame to predict"):
        submit(guess, [], tmp_path / "none")
