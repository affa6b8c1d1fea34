"""Compare the metrics of a run with the reference run in git (`outputs/<profile>/reference.json`).

The reference is {name: {"value": number, "tolerance": number}}. Counts must agree exactly. Trained values have a
tolerance, since training amplifies differences in the last bits between machines. Times are not compared.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json

Expected = dict[str, dict[str, float]]

_RESTORE = "restore it with `git checkout`, or write it again with `make reference`"
_TIME = re.compile(r"(^|[._])(ms|seconds|fps|speedup|latency)([._]|$)")
_COUNTED = re.compile(r"(^|[._])(params|gmacs|frames)([._]|$)")


def read_metrics(path: Path, notebooks: list[str]) -> dict[str, float]:
    """Return the metrics of `notebooks` ("01", ...); raise CourseError if one is not a finite number."""
    metrics = read_json(path) if path.is_file() else {}
    if not isinstance(metrics, dict):
        raise CourseError(f"Expected one flat table of numbers in {path}: remove the file and run the notebooks again.")
    for name, value in metrics.items():
        if not _is_number(value):
            raise CourseError(f"Expected a finite number for {name} in {path}, got {value!r}: run that notebook again.")
    return _of(metrics, notebooks)


def read(path: Path, notebooks: list[str]) -> Expected:
    """Return the reference of `notebooks`, empty if the profile has none; raise CourseError if it is damaged."""
    return _of(_read_all(path), notebooks)


def _read_all(path: Path) -> Expected:
    entries = read_json(path) if path.is_file() else {}
    if not isinstance(entries, dict):
        raise CourseError(f"Expected metrics with tolerances in {path}, got a {type(entries).__name__}: {_RESTORE}.")
    for name, entry in entries.items():
        numbers = [entry.get("value"), entry.get("tolerance")] if isinstance(entry, dict) else [None]
        if not all(_is_number(number) for number in numbers):
            raise CourseError(f"Expected a value and a tolerance of {name} in {path}, got {entry!r}: {_RESTORE}.")
    return entries


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def write(path: Path, metrics: dict[str, float]) -> None:
    """Make `metrics` the reference; keep existing tolerances and the metrics of other notebooks."""
    kept = _read_all(path)
    ran = {name.split(".")[0] for name in metrics}
    fresh = {
        name: {"value": value, "tolerance": kept.get(name, {}).get("tolerance", tolerance(name, value))}
        for name, value in metrics.items()
        if not is_time(name)
    }
    others = {name: entry for name, entry in kept.items() if name.split(".")[0] not in ran}
    write_json(path, dict(sorted({**others, **fresh}.items())))


def tolerance(name: str, value: float) -> float:
    """Return the initial tolerance of a metric: none for counts, 10 % or 0.02 for trained values."""
    if name.startswith("04.") and name.endswith(".after"):  # the channels that a plan keeps depend on the training
        return round(0.1 * abs(value), 4)
    if isinstance(value, int):
        return 0
    if _COUNTED.search(name):
        return 1e-6 * abs(value)
    return round(max(0.02, 0.1 * abs(value)), 4)


def is_time(name: str) -> bool:
    """Return whether a metric is derived from times and so depends on the machine."""
    return bool(_TIME.search(name))


def drifts(metrics: dict[str, float], expected: Expected) -> list[str]:
    """Return one line for each reference metric that is missing or differs by more than its tolerance."""
    found = []
    for name, entry in expected.items():
        value, allowed = entry["value"], entry["tolerance"]
        if name not in metrics:
            found.append(f"{name}: missing, expected {value:g}")
        elif abs(metrics[name] - value) > allowed:
            found.append(f"{name}: {metrics[name]:g}, expected {value:g} within {allowed:g}")
    return found


def table(metrics: dict[str, float], expected: Expected) -> str:
    """Return the metrics as a text table, next to the reference values where they exist."""
    if not metrics:
        return "no metrics recorded"
    width = max(len(name) for name in metrics)
    rows = [f"{'metric':<{width}} {'this run':>12}" + (f" {'reference':>12}" if expected else "")]
    for name, value in metrics.items():
        other = f" {_short(expected[name]['value'])}" if name in expected else ""
        drifted = name in expected and drifts({name: value}, {name: expected[name]})
        rows.append(f"{name:<{width}} {_short(value)}{other}{'  *' if drifted else ''}")
    if any(row.endswith("*") for row in rows):
        rows.append("* differs from the reference by more than its tolerance")
    return "\n".join(rows)


def _short(value: float) -> str:
    return f"{value:>12}" if isinstance(value, int) else f"{value:>12.6g}"


def check_comparable(seed: int, data_root: str) -> None:
    """Raise CourseError if a run with these settings cannot be compared with the reference run."""
    if seed != 0 or data_root:
        raise CourseError(
            "The reference run uses SEED=0 and the data set of the profile: omit SEED and DATA_ROOT with CHECK."
        )


def _of(numbers: dict, notebooks: list[str]) -> dict:
    return {name: number for name, number in numbers.items() if name.split(".")[0] in notebooks}
