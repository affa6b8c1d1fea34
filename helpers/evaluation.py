"""From predictions to scores: the confusion matrix, what is derived from it, and predicting whole frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from helpers.cityscapes import IGNORE, NUM_CLASSES, Frame, read_image, read_label
from helpers.datasets import normalise
from helpers.errors import CourseError
from helpers.progress import progress

# Maps a uint8 RGB image (H, W, 3) to train ids (H, W): an eager network, or a Predictor of helpers.deployment.
PredictFn = Callable[[np.ndarray], np.ndarray]


def confusion_matrix(prediction: np.ndarray, label: np.ndarray, num_classes: int = NUM_CLASSES) -> np.ndarray:
    """Count pixels by (true class, predicted class): int64 (num_classes, num_classes), rows are the labels.

    Both are integer arrays of the same shape. Pixels whose label is IGNORE count nowhere. Raises CourseError when the
    shapes differ or a value on either side is no class.
    """
    if prediction.shape != label.shape:
        raise CourseError(
            f"Prediction {prediction.shape} and label {label.shape} must have the same size: "
            "resize the prediction to the label's size with nearest neighbour."
        )
    counted = label != IGNORE
    truth, guess = label[counted].astype(np.int64), prediction[counted].astype(np.int64)
    for name, values in (("label", truth), ("prediction", guess)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            wrong = values.max() if values.max() >= num_classes else values.min()
            raise CourseError(
                f"The {name} has the value {wrong}: expected train ids from 0 to {num_classes - 1}"
                + (f" or {IGNORE} where nothing is evaluated." if name == "label" else ".")
            )
    return np.bincount(num_classes * truth + guess, minlength=num_classes**2).reshape(num_classes, num_classes)


@dataclass(frozen=True)
class Scores:
    """Scores of one confusion matrix. Class scores are float64 (classes,), NaN for a class on neither side.

    The definition is that of cityscapesScripts (`evalPixelLevelSemanticLabeling.getIouScoreForLabel`): the mean runs
    over the classes that have a score. Counting absent classes as 1 or 0 instead would flatter or punish subsets.
    """

    miou: float
    acc: float
    kappa: float
    class_iou: np.ndarray
    class_acc: np.ndarray


def scores(matrix: np.ndarray) -> Scores:
    """Derive the scores from a confusion matrix (rows labels, columns predictions).

    With TP the diagonal, FN the rest of its row and FP the rest of its column: IoU = TP / (TP + FP + FN),
    class accuracy = TP / (TP + FN), accuracy = sum TP / all, and Cohen's kappa = (acc - p) / (1 - p), where p is the
    agreement that two independent raters with these row and column sums would reach by chance.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    true_positive = np.diag(matrix)
    labelled, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    total = matrix.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        class_iou = true_positive / (labelled + predicted - true_positive)
        class_acc = true_positive / labelled
        acc = true_positive.sum() / total
        chance = (labelled * predicted).sum() / total**2
        kappa = (acc - chance) / (1 - chance)
    return Scores(miou=_mean(class_iou), acc=float(acc), kappa=float(kappa), class_iou=class_iou, class_acc=class_acc)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def predict(net: nn.Layer, image: np.ndarray) -> np.ndarray:
    """Train ids uint8 (H, W) that `net` gives a uint8 RGB image (H, W, 3). The network's mode is left as it was."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise CourseError(
            f"Expected an 8-bit RGB image of shape (H, W, 3), got {image.dtype} {image.shape}: "
            "convert it with PIL's .convert('RGB')."
        )
    was_training = net.training
    net.eval()
    try:
        with paddle.no_grad():
            logits = net(paddle.to_tensor(normalise(image)[np.newaxis]))[0]  # (1, 19, H, W)
            return paddle.argmax(logits, axis=1)[0].numpy().astype(np.uint8)
    finally:
        if was_training:
            net.train()


def evaluate(predict_fn: PredictFn, frames: list[Frame], desc: str = "evaluating") -> np.ndarray:
    """Confusion matrix, int64 (19, 19), of `predict_fn` over labelled frames, one whole frame at a time."""
    if not frames:
        raise CourseError("There is nothing to evaluate: the list of frames is empty.")
    matrix = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
    for frame in progress(frames, desc=desc, unit="frame"):
        matrix += confusion_matrix(predict_fn(read_image(frame)), read_label(frame))
    return matrix
