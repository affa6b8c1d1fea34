"""What a run leaves besides its weights: its curves and the recipe that it followed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helpers.common.files import read_json, write_json

BEST = "best.pdparams"
HISTORY = "history.json"


@dataclass
class History:
    """One value per iteration: `loss` (before the step) and `lr`; `seconds` is the time spent training in all, and
    `waiting` the part of it in which no batch was ready. `validated` holds the iterations (counted from 1) after which
    the validation frames were scored, `miou` their scores."""

    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: float = 0.0
    waiting: float = 0.0
    validated: list[int] = field(default_factory=list)
    miou: list[float] = field(default_factory=list)

    def loss_around(self, first: bool, count: int = 20) -> float:
        """Mean loss of the first or last `count` iterations (of a tenth of them in a short run)."""
        count = max(1, min(count, len(self.loss) // 10))
        return float(np.mean(self.loss[:count] if first else self.loss[-count:]))


def save_history(folder: Path, history: History, run: dict[str, Any]) -> None:
    """Write the history and what identifies the run into `folder`."""
    write_json(folder / HISTORY, {**asdict(history), "run": run})


def load_history(folder: str | Path) -> History:
    """The history that `fit` left in `folder`."""
    values = read_json(Path(folder) / HISTORY)
    return History(**{key: value for key, value in values.items() if key != "run"})


def load_recipe(folder: str | Path) -> dict[str, Any]:
    """The recipe of the run in `folder`, by the names of `helpers.profiles.Recipe`; empty for a run of an older
    version, which did not keep it."""
    return read_json(Path(folder) / HISTORY).get("run", {}).get("recipe", {})
