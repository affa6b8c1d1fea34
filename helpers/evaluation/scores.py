"""The confusion matrix and the scores computed from it, without Paddle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.common.errors import CourseError
from helpers.cpu.confusion import count_pairs, words
from helpers.datasets import IGNORE, Classes


def confusion_matrix(prediction: np.ndarray, label: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by (true class, predicted class): int64 (num_classes, num_classes), rows are the labels.

    Both are integer arrays of the same shape. Pixels whose label is IGNORE are not counted, whatever the prediction.
    Raises CourseError if the shapes differ, or a value of either array is not a class.
    """
    if prediction.shape != label.shape:
        raise CourseError(
            f"Prediction {prediction.shape} and label {label.shape} must have the same size: "
            "resize the prediction to the label's size with nearest neighbour."
        )
    if prediction.dtype == label.dtype == np.uint8:
        pairs = count_pairs(*words(label), *words(prediction))
    else:
        pairs = _count_any_pairs(label, prediction, num_classes)
    counted = np.delete(pairs, IGNORE, axis=0) if num_classes <= IGNORE else pairs
    _refuse_others("label", counted.sum(axis=1), num_classes)
    _refuse_others("prediction", counted.sum(axis=0), num_classes)
    return counted[:num_classes, :num_classes]


def _count_any_pairs(label: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the same for other integer types, whose values may not fit into a byte."""
    counted = label != IGNORE
    truth, guess = label[counted].astype(np.int64), prediction[counted].astype(np.int64)
    for name, values in (("label", truth), ("prediction", guess)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            _refuse(name, int(values.max() if values.max() >= num_classes else values.min()), num_classes)
    return np.bincount(256 * truth + guess, minlength=1 << 16).reshape(256, 256)


def _refuse_others(name: str, counts: np.ndarray, num_classes: int) -> None:
    others = num_classes + np.flatnonzero(counts[num_classes:])
    if others.size:
        # Row 255 of the labels was removed before; in a prediction, 255 is as wrong as any other.
        _refuse(name, int(others[-1]), num_classes)


def _refuse(name: str, value: int, num_classes: int) -> None:
    raise CourseError(
        f"The {name} has the value {value}: expected train ids from 0 to {num_classes - 1}"
        + (f", or {IGNORE} for pixels to ignore." if name == "label" else ".")
    )


@dataclass(frozen=True)
class Scores:
    """Scores of one confusion matrix, 0 to 1 (Kappa from -1). Class scores are float64 (classes,), NaN for 0 / 0.

    Defined as in cityscapesScripts (`evalPixelLevelSemanticLabeling.getIouScoreForLabel`): a class that is neither
    labelled nor predicted has no IoU, and means are over the classes with a score. Counting absent classes as 1 or 0
    instead would bias the scores of subsets up or down. `category_iou` has a score for each of
    `Classes.category_names`; it is empty if the classes have no categories.
    """

    miou: float
    acc: float
    kappa: float
    class_iou: np.ndarray
    class_acc: np.ndarray
    class_precision: np.ndarray
    class_dice: np.ndarray
    fw_iou: float
    category_iou: np.ndarray

    @property
    def mean_acc(self) -> float:
        """Mean accuracy of the classes."""
        return _mean(self.class_acc)

    @property
    def mean_dice(self) -> float:
        """Mean Dice score of the classes."""
        return _mean(self.class_dice)

    @property
    def category_miou(self) -> float:
        """Mean IoU of the categories, "IoU category" of the Cityscapes benchmark; NaN without categories."""
        return _mean(self.category_iou)


def scores(matrix: np.ndarray, classes: Classes | None = None) -> Scores:
    """Compute the scores of a confusion matrix (rows are labels, columns are predictions), or of an Evaluation.

    With TP the diagonal, FN the rest of its row and FP the rest of its column: IoU = TP / (TP + FP + FN),
    class accuracy (recall) = TP / (TP + FN), precision = TP / (TP + FP), Dice = 2 TP / (2 TP + FP + FN),
    accuracy = sum TP / all, frequency-weighted IoU = sum (TP + FN) / all * IoU, and Cohen's kappa
    = (acc - p) / (1 - p), where p is the agreement that two independent raters with these row and column sums would
    reach by chance. Category IoU is the IoU after merging the classes of each category of `classes`.
    Raises CourseError if the matrix is not square, has negative entries, or is of another size than `classes`.
    """
    classes = getattr(matrix, "classes", None) if classes is None else classes
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.all(matrix >= 0):
        raise CourseError(
            f"Expected a confusion matrix, square and without negative entries, got shape {matrix.shape} with the "
            f"smallest entry {matrix.min(initial=0):g}."
        )
    if classes is not None and len(matrix) != len(classes):
        raise CourseError(
            f"Expected a confusion matrix of the {len(classes)} classes, got one of {len(matrix)}: count it with "
            f"num_classes={len(classes)}."
        )
    true_positive = np.diag(matrix)
    labelled, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    total = matrix.sum()
    class_iou = _iou(matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        acc = true_positive.sum() / total
        chance = (labelled * predicted).sum() / total**2
        return Scores(
            miou=_mean(class_iou),
            acc=float(acc),
            kappa=float((acc - chance) / (1 - chance)),
            class_iou=class_iou,
            class_acc=true_positive / labelled,
            class_precision=true_positive / predicted,
            class_dice=2 * true_positive / (labelled + predicted),
            fw_iou=float(np.nansum(labelled * class_iou) / total),
            category_iou=_iou(_by_category(matrix, classes)) if classes and classes.categories else np.empty(0),
        )


def _iou(matrix: np.ndarray) -> np.ndarray:
    true_positive = np.diag(matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        return true_positive / (matrix.sum(axis=0) + matrix.sum(axis=1) - true_positive)


def _by_category(matrix: np.ndarray, classes: Classes) -> np.ndarray:
    names = classes.category_names
    merge = np.eye(len(names))[[names.index(category) for category in classes.categories]]  # (classes, categories)
    return merge.T @ matrix @ merge


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
