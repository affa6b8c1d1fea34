"""Curves and recipe of a training run, as a file next to its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helpers.common.files import read_json, write_json

BEST = "best.safetensors"
HISTORY = "history.json"


@dataclass
class History:
    """Curves of a training run.

    `loss` (before the update) and `lr` have one value per iteration. `seconds` is the total training time, `waiting`
    the part of it spent waiting for batches. `validated` lists the iterations (counted from 1) after which the
    validation frames were scored, `miou` the scores.
    """

    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: float = 0.0
    waiting: float = 0.0
    validated: list[int] = field(default_factory=list)
    miou: list[float] = field(default_factory=list)

    def loss_around(self, first: bool, count: int = 20) -> float:
        """Return the mean loss of the first or last `count` iterations, at most a tenth of the run."""
        count = max(1, min(count, len(self.loss) // 10))
        return float(np.mean(self.loss[:count] if first else self.loss[-count:]))

    def validations_since_best(self) -> int:
        """Return the number of validations after the one with the best score, the first one if there are several."""
        return len(self.miou) - 1 - int(np.argmax(self.miou))


def save_history(folder: Path, history: History, run: dict[str, Any]) -> None:
    """Write the history and the identity of the run into `folder`."""
    write_json(folder / HISTORY, {**asdict(history), "run": run})


def load_history(folder: str | Path) -> History:
    """Load the history that `fit` wrote into `folder`."""
    values = read_json(Path(folder) / HISTORY)
    return History(**{key: value for key, value in values.items() if key != "run"})


def load_identity(folder: str | Path) -> dict[str, Any]:
    """Load what identifies the run in `folder`, see `checkpoint.identity`; an empty dictionary if it was not saved."""
    path = Path(folder) / HISTORY
    return read_json(path).get("run", {}) if path.is_file() else {}


def load_recipe(folder: str | Path) -> dict[str, Any]:
    """Load the recipe of the run in `folder`, with the names of `helpers.profiles.Recipe`.

    Return an empty dictionary for a run of an older version, which did not save it.
    """
    return load_identity(folder).get("recipe", {})
