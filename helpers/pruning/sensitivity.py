"""How much score goes when one layer alone loses filters: a curve for each group of channels."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from paddle import nn

from helpers.cityscapes import Frame, read_image, read_label
from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json
from helpers.common.progress import progress
from helpers.evaluation import confusion_matrix, predict, scores
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
    """For each group and each share of its filters, the relative loss (before - after) / before of `score`.

    `score` maps a network to a number that is better when larger, such as its mIoU on a few frames; `on` names what it
    is measured on. Each value is written to `path` as soon as it is there: a run that was killed continues, and a file
    that belongs to other weights, ratios, criterion or `on` is begun anew.
    """
    if not ratios or not all(0 < ratio <= 1 for ratio in ratios):
        raise CourseError(f"Shares of filters to remove lie between 0 and 1, not {list(ratios)}.")
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
                f"The unpruned network scores {known['before']}: train it first, there is nothing to be lost."
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
    """mIoU of `net` on a few frames, without a progress bar of its own."""
    matrix = sum(confusion_matrix(predict(net, read_image(frame)), read_label(frame)) for frame in frames)
    return scores(matrix).miou


def _fingerprint(net: nn.Layer, ratios: Sequence[float], criterion: str, on: str) -> str:
    digest = hashlib.sha256(repr((list(ratios), criterion, on)).encode())
    for name, value in net.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
