"""Evaluate networks: predict frames, count pixels, compute the published scores, compare two networks.

On the command line: `python -m helpers.evaluation evaluate|predict|submit`.
"""

from helpers.evaluation.evaluating import Evaluation, evaluate, read_prediction
from helpers.evaluation.opening import PredictFn, Segmenter, open_network, predict
from helpers.evaluation.scores import Scores, confusion_matrix, scores
from helpers.evaluation.views import Views

__all__ = [
    "Evaluation",
    "Segmenter",
    "PredictFn",
    "Scores",
    "Views",
    "confusion_matrix",
    "evaluate",
    "open_network",
    "predict",
    "read_prediction",
    "scores",
]
