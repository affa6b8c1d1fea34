"""Reliability of a network whose probabilities are known."""

import numpy as np
import paddle
import pytest
from tiny_cityscapes import write_set

from helpers.common.errors import CourseError
from helpers.datasets import open_dataset, read_label
from helpers.evaluation.calibration import Reliability, reliability


class Constant(paddle.nn.Layer):
    """Predicts class 0 everywhere with the probability `confidence`."""

    def __init__(self, confidence: float, classes: int = 19):
        super().__init__()
        self.classes = classes
        self.logit = float(np.log((classes - 1) * confidence / (1 - confidence)))

    def forward(self, x):
        n, _, height, width = x.shape
        logits = paddle.zeros([n, self.classes, height, width])
        logits[:, 0] = self.logit
        return [logits]


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return open_dataset(write_set(tmp_path_factory.mktemp("set"))).frames("val")


@pytest.mark.parametrize("confidence", [0.25, 0.95])
def test_by_hand(frames, confidence):
    labels = np.concatenate([read_label(frame).ravel() for frame in frames])
    labelled = labels[labels < 19]
    right = float(np.mean(labelled == 0))
    net = Constant(confidence)
    found = reliability(net, frames, bins=10)
    place = int(confidence * 10)
    assert found.pixels.tolist() == [labelled.size if i == place else 0 for i in range(10)]
    assert found.confidence[place] == pytest.approx(confidence, abs=1e-5)
    assert found.accuracy[place] == pytest.approx(right)
    assert np.isnan(np.delete(found.accuracy, place)).all()
    assert found.ece == pytest.approx(abs(confidence - right), abs=1e-5)
    assert net.training


def test_error_of_a_known_table():
    table = Reliability(np.array([0, 30, 10]), np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 0.4, 0.9]))
    assert table.ece == pytest.approx(0.75 * 0.1)


def test_without_frames():
    with pytest.raises(CourseError, match="at least one frame"):
        reliability(Constant(0.5), [])


def test_a_network_for_other_classes(frames):
    with pytest.raises(CourseError, match="network for the 19 classes of .*, got one for 3"):
        reliability(Constant(0.5, classes=3), frames)
