"""Compare the metrics of a run with the reference in git (`outputs/<profile>/reference.json`).

The reference has one line per metric: `value`, `tolerance` and, as `by_hardware`, numbers by hardware and seed. Counts,
parameters and multiply-accumulates agree exactly and have no `by_hardware`. Trained values differ between machines,
since training amplifies differences in the last bits: they are compared with the runs on the same hardware if there are
any, else with the runs on each other one. A value is accepted if it is no further from their mean than their half-range
or the tolerance, whichever is larger. Speed-ups are compared on the same hardware only, times never.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_text

Expected = dict[str, dict[str, Any]]

_RESTORE = "restore it with `git checkout`, or write it again with `make reference`"
_TIME = re.compile(r"(^|[._])(ms|seconds|fps|speedup|latency)([._]|$)")
_RATIO = re.compile(r"(^|[._])speedup([._]|$)")
_COUNTED = re.compile(r"(^|[._])(params|gmacs|frames)([._]|$)")


@dataclass(frozen=True)
class Verdict:
    """Comparison of one metric: `value` is None if the run lacks it, `expected` if the reference does."""

    name: str
    value: float | None
    expected: float | None
    text: str
    drifted: bool = False


def read_metrics(path: Path, notebooks: list[str]) -> dict[str, float]:
    """Return the metrics of `notebooks` ("01", ...) and speed-ups; raise CourseError if one is not a finite number.

    For each NN.latency_ms.NAME there is an NN.speedup.NAME, relative to NN.latency_ms.eager.
    """
    metrics = read_json(path) if path.is_file() else {}
    if not isinstance(metrics, dict):
        raise CourseError(f"Expected one flat table of numbers in {path}: remove the file and run the notebooks again.")
    for name, value in metrics.items():
        if not _is_number(value):
            raise CourseError(f"Expected a finite number for {name} in {path}, got {value!r}: run that notebook again.")
    return _of({**metrics, **_speedups(metrics)}, notebooks)


def _speedups(metrics: dict[str, float]) -> dict[str, float]:
    found = {}
    for name, value in metrics.items():
        notebook, _, engine = name.partition(".latency_ms.")
        eager = metrics.get(f"{notebook}.latency_ms.eager")
        if engine and engine != "eager" and eager is not None and value > 0:
            found[f"{notebook}.speedup.{engine}"] = round(eager / value, 3)
    return found


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
        runs = entry.get("by_hardware", {})
        if not isinstance(runs, dict) or not all(_are_runs(of_one) for of_one in runs.values()):
            raise CourseError(f"Expected numbers by hardware and seed of {name} in {path}, got {runs!r}: {_RESTORE}.")
    return entries


def _are_runs(runs: Any) -> bool:
    return isinstance(runs, dict) and bool(runs) and all(_is_number(value) for value in runs.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def write(path: Path, metrics: dict[str, float], hardware: str, seed: int = 0) -> None:
    """Add `metrics` to the reference as the run of `hardware` with `seed`; keep tolerances and other notebooks.

    Numbers of other hardware and seeds are kept, unless the same hardware and seed now yields a number outside the
    tolerance: then the code has changed, and they are dropped.
    """
    kept = _read_all(path)
    ran = {name.split(".")[0] for name in metrics}
    entries = {}
    for name, entry in kept.items():
        elsewhere = {other: runs for other, runs in entry.get("by_hardware", {}).items() if other != hardware}
        if name.split(".")[0] not in ran:
            entries[name] = entry
        elif name not in metrics and elsewhere:  # measured on other hardware only
            entries[name] = {**entry, "value": _first(elsewhere), "by_hardware": elsewhere}
    for name, value in metrics.items():
        if not is_time(name) or is_ratio(name):
            entries[name] = _merged(name, value, kept.get(name, {}), hardware, str(seed))
    lines = [f"  {json.dumps(name)}: {json.dumps(entries[name], allow_nan=False)}" for name in sorted(entries)]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _merged(name: str, value: float, entry: dict[str, Any], hardware: str, seed: str) -> dict[str, Any]:
    allowed = entry.get("tolerance", tolerance(name, value))
    if _is_exact(name, value):
        return {"value": value, "tolerance": allowed}
    runs = {other: dict(seeds) for other, seeds in entry.get("by_hardware", {}).items()}
    earlier = runs.get(hardware, {}).get(seed)
    if earlier is not None and abs(earlier - value) > allowed:
        runs = {}
    runs.setdefault(hardware, {})[seed] = value
    return {"value": _first(runs), "tolerance": allowed, "by_hardware": runs}


def _first(runs: dict[str, dict[str, float]]) -> float:
    return next(iter(next(iter(runs.values())).values()))


def tolerance(name: str, value: float) -> float:
    """Return the initial tolerance: none for counts, 10 % or 0.02 for trained values, 50 % for speed-ups."""
    if is_ratio(name):
        return round(0.5 * abs(value), 4)
    if _is_exact(name, value):
        return 0 if isinstance(value, int) else 1e-6 * abs(value)
    return round(max(0 if _is_plan(name) else 0.02, 0.1 * abs(value)), 4)


def _is_exact(name: str, value: float) -> bool:
    return not _is_plan(name) and not is_ratio(name) and (isinstance(value, int) or bool(_COUNTED.search(name)))


def _is_plan(name: str) -> bool:
    return name.startswith("04.") and name.endswith(".after")  # the channels that a plan keeps depend on the training


def is_time(name: str) -> bool:
    """Return whether a metric is derived from times and so depends on the machine."""
    return bool(_TIME.search(name))


def is_ratio(name: str) -> bool:
    """Return whether a metric is a ratio of two times, which depends on the kind of hardware."""
    return bool(_RATIO.search(name))


def judge(metrics: dict[str, float], expected: Expected, hardware: str = "") -> list[Verdict]:
    """Compare `metrics` of a run on `hardware` with the reference, and list what either lacks."""
    measured = {other for entry in expected.values() for other in entry.get("by_hardware", {})}
    found = []
    for name, entry in expected.items():
        runs = entry.get("by_hardware", {})
        if hardware not in runs and (is_ratio(name) or (name not in metrics and runs and hardware in measured)):
            continue  # nothing to compare with, or an engine that this hardware does not have
        found.append(_judge_one(name, metrics.get(name), entry, hardware))
    judged = {verdict.name for verdict in found}
    for name, value in metrics.items():
        if name not in judged:
            found.append(Verdict(name, value, None, "not in the reference" if expected and not is_time(name) else ""))
    return sorted(found, key=lambda verdict: verdict.name)


def _judge_one(name: str, value: float | None, entry: dict[str, Any], hardware: str) -> Verdict:
    if value is None:
        return Verdict(name, None, entry["value"], f"missing, expected {entry['value']:g}", drifted=True)
    spreads = []  # (distance beyond the allowed one, mean, allowed, hardware)
    runs = entry.get("by_hardware", {})
    candidates = {hardware: runs[hardware]} if hardware in runs else runs or {"": {"": entry["value"]}}
    for other, seeds in candidates.items():
        mean = sum(seeds.values()) / len(seeds) if len(seeds) > 1 else next(iter(seeds.values()))
        allowed = max(entry["tolerance"], (max(seeds.values()) - min(seeds.values())) / 2)
        spreads.append((abs(value - mean) - allowed, mean, allowed, other))
    beyond, mean, allowed, other = min(spreads)
    if beyond > 0:
        where = f" on {other}" if other and other != hardware else ""
        return Verdict(name, value, mean, f"{value:g}, expected {mean:g} within {allowed:g}{where}", drifted=True)
    return Verdict(name, value, mean, f"within the spread of hardware {other}" if other else f"within {allowed:g}")


def drifts(metrics: dict[str, float], expected: Expected, hardware: str = "") -> list[str]:
    """Return one line for each reference metric that is missing or outside its spread."""
    return [f"{verdict.name}: {verdict.text}" for verdict in judge(metrics, expected, hardware) if verdict.drifted]


def table(metrics: dict[str, float], expected: Expected, hardware: str = "") -> str:
    """Return the metrics as a text table, next to the reference values where they exist."""
    if not metrics:
        return "no metrics recorded"
    width = max(len(name) for name in metrics)
    rows = [f"{'metric':<{width}} {'this run':>12}" + (f" {'reference':>12}" if expected else "")]
    verdicts = judge(metrics, expected, hardware)
    for verdict in verdicts:
        if verdict.value is not None:
            other = "" if verdict.expected is None else f" {_short(verdict.expected)}"
            rows.append(f"{verdict.name:<{width}} {_short(verdict.value)}{other}{'  *' if verdict.drifted else ''}")
    if any(row.endswith("*") for row in rows):
        rows.append("* differs from the reference by more than its tolerance")
    spreads = sorted(
        {
            verdict.text.removeprefix("within the ")
            for verdict in verdicts
            if "hardware" in verdict.text and not verdict.drifted
        }
    )
    rows += [f"the others are within the {spread}" for spread in spreads]
    return "\n".join(rows)


def _short(value: float) -> str:
    return f"{value:>12}" if isinstance(value, int) else f"{value:>12.6g}"


def _of(numbers: dict, notebooks: list[str]) -> dict:
    return {name: number for name, number in numbers.items() if name.split(".")[0] in notebooks}
