"""The numbers of a run against those of the reference run that is in git (`outputs/<profile>/reference.json`).

The reference is {name: {"value": number, "tolerance": number}}. Counts must agree exactly. What was trained differs
in its last bits from machine to machine and drifts apart from there, so it has room. Times are not compared.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json

Expected = dict[str, dict[str, float]]

_TIME = re.compile(r"(^|[._])(ms|seconds|fps|speedup|latency)([._]|$)")
_COUNTED = re.compile(r"(^|[._])(params|gmacs|frames)([._]|$)")


def read_metrics(path: Path, notebooks: list[str]) -> dict[str, float]:
    """The numbers that `notebooks` ("01", ...) recorded. Raises CourseError when the file is not flat or not finite."""
    metrics = read_json(path) if path.is_file() else {}
    if not isinstance(metrics, dict):
        raise CourseError(f"{path} must be one flat table from name to number: remove it and run the notebooks again.")
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise CourseError(f"{path} has {name} = {value!r}, which is no finite number: run that notebook again.")
    return _of(metrics, notebooks)


def read(path: Path, notebooks: list[str]) -> Expected:
    """What the reference run got in `notebooks`; empty when there is none for this profile."""
    return _of(read_json(path), notebooks) if path.is_file() else {}


def write(path: Path, metrics: dict[str, float]) -> None:
    """Make `metrics` the reference; tolerances that are there already are kept, as are other notebooks' numbers."""
    kept = read_json(path) if path.is_file() else {}
    ran = {name.split(".")[0] for name in metrics}
    fresh = {
        name: {"value": value, "tolerance": kept.get(name, {}).get("tolerance", tolerance(name, value))}
        for name, value in metrics.items()
        if not is_time(name)
    }
    others = {name: entry for name, entry in kept.items() if name.split(".")[0] not in ran}
    write_json(path, dict(sorted({**others, **fresh}.items())))


def tolerance(name: str, value: float) -> float:
    """The room that a number gets when it is first written: none for counts, a tenth or 0.02 for what was learned."""
    if name.startswith("04.") and name.endswith(".after"):  # which channels a plan keeps depends on what was learned
        return round(0.1 * abs(value), 4)
    if isinstance(value, int):
        return 0
    if _COUNTED.search(name):
        return 1e-6 * abs(value)
    return round(max(0.02, 0.1 * abs(value)), 4)


def is_time(name: str) -> bool:
    """Whether the number is a time or made of times, and so of this machine alone."""
    return bool(_TIME.search(name))


def drifts(metrics: dict[str, float], expected: Expected) -> list[str]:
    """One line for each number of the reference that is missing or further away than its tolerance."""
    found = []
    for name, entry in expected.items():
        value, room = entry["value"], entry["tolerance"]
        if name not in metrics:
            found.append(f"{name}: missing, expected {value:g}")
        elif abs(metrics[name] - value) > room:
            found.append(f"{name}: {metrics[name]:g}, expected {value:g} within {room:g}")
    return found


def table(metrics: dict[str, float], expected: Expected) -> str:
    """The numbers as text, beside those of the reference run where it has them."""
    if not metrics:
        return "no numbers recorded"
    width = max(len(name) for name in metrics)
    rows = [f"{'metric':<{width}} {'this run':>12}" + (f" {'reference':>12}" if expected else "")]
    for name, value in metrics.items():
        beside = f" {_short(expected[name]['value'])}" if name in expected else ""
        drifted = name in expected and drifts({name: value}, {name: expected[name]})
        rows.append(f"{name:<{width}} {_short(value)}{beside}{'  *' if drifted else ''}")
    if any(row.endswith("*") for row in rows):
        rows.append("* further from the reference than its tolerance")
    return "\n".join(rows)


def _short(value: float) -> str:
    return f"{value:>12}" if isinstance(value, int) else f"{value:>12.6g}"


def check_comparable(seed: int, data_root: str) -> None:
    """Raise CourseError when a run with these settings is not the reference run."""
    if seed != 0 or data_root:
        raise CourseError(
            "The reference run has SEED=0 and the profile's own data: leave SEED and DATA_ROOT out with CHECK."
        )


def _of(numbers: dict, notebooks: list[str]) -> dict:
    return {name: number for name, number in numbers.items() if name.split(".")[0] in notebooks}
