"""The history of complete runs in an output folder: one JSON object per line of history.jsonl."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from helpers.common.files import PROJECT
from helpers.runner.plan import Plan

NAME = "history.jsonl"
RUNS = 30  # in the report


def append(plan: Plan, metrics: dict[str, float], machine: str) -> None:
    """Add a run of all notebooks: date, commit, profile, hardware, seed, minutes, metrics."""
    line = {
        "date": f"{datetime.now().astimezone():%Y-%m-%dT%H:%M:%S%z}",
        "commit": _commit(),
        "profile": plan.profile.name,
        "hardware": machine,
        "seed": plan.seed,
        "changes": list(plan.changes),
        "minutes": round(sum(map(_seconds, map(plan.target, plan.available))) / 60, 2),
        "metrics": metrics,
    }
    path = plan.folder / NAME
    broken = path.is_file() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
    with path.open("a", encoding="utf-8") as file:
        # one write; an unfinished line of a full disk is ended first
        file.write("\n" * broken + json.dumps(line, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(plan: Plan) -> list[dict[str, Any]]:
    """Return the last runs with the profile, seed and parameters of `plan`; skip lines that are damaged."""
    path = plan.folder / NAME
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            run = json.loads(line)
            same = run["profile"], run["seed"], run["changes"]
            known = isinstance(run["metrics"], dict) and isinstance(run["hardware"], str)
        except (ValueError, KeyError, TypeError):
            continue
        if known and same == (plan.profile.name, plan.seed, list(plan.changes)):
            found.append(run)
    return found[-RUNS:]


def _seconds(path: Path) -> float:
    """Return how long papermill took, which also holds for notebooks that a resumed run has kept."""
    return json.loads(path.read_bytes())["metadata"]["papermill"].get("duration") or 0.0


def _commit() -> str:
    """Return the short hash of the checkout, with a + if files differ from it; empty outside git."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
