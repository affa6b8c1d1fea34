"""Training runs to compare: those in a folder, and those of the shipped weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.models import Card, cards
from helpers.training.history import HISTORY, load_history, load_recipe


@dataclass(frozen=True)
class Run:
    """A training run: name, settings and curves over the number of images seen.

    `settings` has the names of `helpers.profiles.Recipe` and "network". `loss` and `lr` belong to `samples`, `miou`
    belongs to `validated`; `lr` is empty if it was not recorded.
    """

    name: str
    settings: Mapping[str, Any]
    samples: Sequence[int]
    loss: Sequence[float]
    lr: Sequence[float]
    validated: Sequence[int]
    miou: Sequence[float]


def shipped_runs() -> list[Run]:
    """Return the runs that made the weights in `weights/`, from their model cards."""
    return [_from_card(card) for card in cards().values()]


def runs_below(folder: str | Path) -> list[Run]:
    """Load all finished runs below `folder`, named by relative path; its first part is taken as the network.

    The runs are assumed to be those of one process, with `batch_size` times `accumulate` images per iteration.
    """
    folder = Path(folder)
    found = []
    for path in sorted(folder.rglob(HISTORY)):
        history, name = load_history(path.parent), path.parent.relative_to(folder)
        settings = {"network": name.parts[0], **load_recipe(path.parent)}
        batch = settings.get("batch_size", 1) * settings.get("accumulate", 1)
        samples = (batch * np.arange(1, len(history.loss) + 1)).tolist()
        validated = [batch * iteration for iteration in history.validated]
        found.append(Run(str(name), settings, samples, history.loss, history.lr, validated, history.miou))
    return found


def lead_changes(one: Sequence[float], other: Sequence[float]) -> int:
    """Count how often the better of two curves changes, point by point; equal values do not count."""
    signs = [sign for sign in np.sign(np.subtract(one, other)) if sign]
    return int(np.count_nonzero(np.diff(signs)))


def _from_card(card: Card) -> Run:
    training, curve = card.training, card.curve
    settings = {
        "network": card.network,
        "crop_hw": training["crop_hw"],
        "batch_size": training["batch"],
        "optimiser": training["optimiser"].split(",")[0].lower(),
        "lr": training["learning_rate"],
        "losses": (("cross_entropy", 1.0),),
    }
    samples = [point.samples for point in curve]
    loss, miou = [point.loss for point in curve], [point.miou for point in curve]
    return Run(f"shipped: {card.title}", settings, samples, loss, [], samples, miou)
