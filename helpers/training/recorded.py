"""Training runs to compare: those in a folder, and some recorded ones in git (scripts/record_runs.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.common.files import read_json
from helpers.training.history import HISTORY, load_history, load_recipe

RECORDED = Path(__file__).with_name("recorded_runs.json")


@dataclass(frozen=True)
class Run:
    """A training run: name, settings and curves.

    `settings` has the names of `helpers.profiles.Recipe` and "network". `loss` and `lr` have one value per iteration,
    `miou` has one per entry of `validated`.
    """

    name: str
    settings: Mapping[str, Any]
    loss: Sequence[float]
    lr: Sequence[float]
    validated: Sequence[int]
    miou: Sequence[float]


def recorded_runs() -> list[Run]:
    """Load the recorded runs; the file names their data, profile, seed and machine."""
    return [Run(**each) for each in read_json(RECORDED)["runs"]]


def runs_below(folder: str | Path) -> list[Run]:
    """Load all finished runs below `folder`, named by relative path; its first part is taken as the network."""
    folder = Path(folder)
    found = []
    for path in sorted(folder.rglob(HISTORY)):
        history, name = load_history(path.parent), path.parent.relative_to(folder)
        settings = {"network": name.parts[0], **load_recipe(path.parent)}
        found.append(Run(str(name), settings, history.loss, history.lr, history.validated, history.miou))
    return found
