"""Runs to compare: those of a folder, and a few that were recorded once (scripts/record_runs.py) and are in git."""

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
    """One recorded run: what it is called, its settings by the names of `helpers.profiles.Recipe` and "network", and
    its curves: `loss` and `lr` with one value per iteration, `miou` with one per entry of `validated`."""

    name: str
    settings: Mapping[str, Any]
    loss: Sequence[float]
    lr: Sequence[float]
    validated: Sequence[int]
    miou: Sequence[float]


def recorded_runs() -> list[Run]:
    """The runs in git; the file says on which data, with which profile, seed and machine they were made."""
    return [Run(**each) for each in read_json(RECORDED)["runs"]]


def runs_below(folder: str | Path) -> list[Run]:
    """All finished runs below `folder`, named by their place in it; the first part of it is taken for the network."""
    folder = Path(folder)
    found = []
    for path in sorted(folder.rglob(HISTORY)):
        history, place = load_history(path.parent), path.parent.relative_to(folder)
        settings = {"network": place.parts[0], **load_recipe(path.parent)}
        found.append(Run(str(place), settings, history.loss, history.lr, history.validated, history.miou))
    return found
