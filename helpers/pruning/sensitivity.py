"""Sensitivity curves: the loss of score when a single group of channels is pruned."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json
from helpers.common.progress import progress
from helpers.datasets import Frame, read_image, read_label
from helpers.evaluation import confusion_matrix, predict, scores
from helpers.models import AUXILIARY_PREFIXES
from helpers.models.pruned import apply_plan
from helpers.pruning.analysis import Analysis


def sensitivity(
    net: nn.Layer,
    analysis: Analysis,
    score: Callable[[nn.Layer], float],
    path: str | Path,
    *,
    ratios: Sequence[float] = (0.25, 0.5, 0.75),
    criterion: str = "l1",
    on: str = "",
) -> dict[str, dict[float, float]]:
    """Measure the relative loss (before - after) / before of `score` for each group and share of its filters.

    Each value is written to `path` immediately, so that a killed run resumes. A file of other weights, ratios,
    criterion or `on` is started over.

    Raise CourseError for shares outside 0 to 1, and for an unpruned network that does not score above 0.

    Parameters
    ----------
    net : nn.Layer
        Trained network; not changed.
    analysis : Analysis
        Groups of channels of `net`.
    score : callable
        Maps a network to a number, larger is better, such as the mIoU on a few frames.
    path : str or Path
        JSON file of the results.
    ratios : sequence of float, default (0.25, 0.5, 0.75)
        Shares of filters to remove, above 0, up to 1.
    criterion : str, default "l1"
        Ranking of the filters, one of CRITERIA.
    on : str, default ""
        Describes the data that `score` uses.

    Returns
    -------
    dict of str to dict of float to float
        Relative loss by name of the ranked layer and share of filters.
    """
    if not ratios or not all(0 < ratio <= 1 for ratio in ratios):
        raise CourseError(f"Expected shares of filters between 0 and 1, got {list(ratios)}: check `ratios`.")
    path = Path(path)
    run = _fingerprint(net, ratios, criterion, on)
    known = read_json(path) if path.is_file() else {}
    if known.get("run") != run:
        known = {"run": run, "before": None, "loss": {}}
    todo = [
        (group.master, ratio)
        for group in analysis.coupled
        for ratio in ratios
        if str(ratio) not in known["loss"].get(group.master, {})
    ]
    total = len(analysis.coupled) * len(ratios)
    with progress(total=total, initial=total - len(todo), desc="sensitivity", unit="network") as bar:
        if known["before"] is None:
            known["before"] = float(score(net))
        if known["before"] <= 0:
            raise CourseError(
                f"The unpruned network scores {known['before']}, so pruning cannot lower its score: train it first."
            )
        for name, ratio in todo:
            smaller = apply_plan(copy.deepcopy(net), analysis.plan({name: ratio}, criterion=criterion))
            loss = (known["before"] - float(score(smaller))) / known["before"]
            known["loss"].setdefault(name, {})[str(ratio)] = loss
            write_json(path, known)
            bar.update()
    return {
        group.master: {float(ratio): known["loss"][group.master][str(ratio)] for ratio in ratios}
        for group in analysis.coupled
    }


def quick_miou(net: nn.Layer, frames: Sequence[Frame]) -> float:
    """Return the mIoU of `net` on a few frames, without a progress bar."""
    num_classes = len(frames[0].dataset.classes)
    matrix = sum(confusion_matrix(predict(net, read_image(frame)), read_label(frame), num_classes) for frame in frames)
    return scores(matrix).miou


def _fingerprint(net: nn.Layer, ratios: Sequence[float], criterion: str, on: str) -> str:
    digest = hashlib.sha256(repr((list(ratios), criterion, on)).encode())
    for name, value in net.state_dict().items():
        if name.startswith(AUXILIARY_PREFIXES):  # not part of the score, and random after `models.load_shipped`
            continue
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
