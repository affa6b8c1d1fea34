"""The reference of the metrics of a profile in git: `outputs/<profile>/reference.json`.

It has one line per metric: `value`, `tolerance` and, as `by_hardware`, numbers by hardware and seed. Counts, parameters
and multiply-accumulates agree exactly and have no `by_hardware`. `helpers.runner.verdicts` compares runs with it.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_text

Expected = dict[str, dict[str, Any]]
Runs = dict[str, dict[str, float]]  # numbers by hardware and seed

_RESTORE = "restore it with `git checkout`, or write it again with `make reference`"
_TIME = re.compile(r"(^|[._])(ms|seconds|fps|speedup|latency)([._]|$)")
_RATIO = re.compile(r"(^|[._])speedup([._]|$)")
_COUNTED = re.compile(r"(^|[._])(params|gmacs|frames)([._]|$)")


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
    tolerance: then the code has changed, and they are dropped. Speed-ups also change with the load of a machine, so
    those of others are always kept. Raises CourseError, and writes nothing, if a count differs from earlier runs with
    other seeds or hardware.
    """
    kept, own = _read_all(path), str(seed)
    _check_counts(metrics, kept, hardware, own)
    ran = {notebook(name) for name in metrics}
    entries = {}
    for name, entry in kept.items():
        others = _without(entry.get("by_hardware", {}), hardware, own)
        if notebook(name) not in ran:
            entries[name] = entry
        elif name not in metrics and others:  # recorded by other runs only
            entries[name] = {**entry, "value": _first(others), "by_hardware": others}
    for name, value in metrics.items():
        if not is_time(name) or is_ratio(name):
            entries[name] = _merged(name, value, kept.get(name, {}), hardware, own)
    lines = [f"  {json.dumps(name)}: {json.dumps(entries[name], allow_nan=False)}" for name in sorted(entries)]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _check_counts(metrics: dict[str, float], kept: Expected, hardware: str, seed: str) -> None:
    """Raise CourseError if a run that is new to the reference has another count than the runs in it."""
    earlier = measured(kept)
    for name, value in metrics.items():
        runs, entry = earlier.get(notebook(name), {}), kept.get(name, {})
        is_new = bool(runs) and seed not in runs.get(hardware, ())
        if is_new and entry and _is_exact(name, value) and abs(value - entry["value"]) > entry["tolerance"]:
            raise CourseError(
                f"Expected {name} to be {entry['value']:.10g} as in the other runs of the reference, got {value:.10g} "
                f"on {hardware} with SEED={seed}: if the code has changed, run `make reference` with an earlier seed "
                "first; else this number depends on the seed, so record it as a decimal number."
            )


def _without(runs: Runs, hardware: str, seed: str) -> Runs:
    rest = {
        other: {each: value for each, value in seeds.items() if (other, each) != (hardware, seed)}
        for other, seeds in runs.items()
    }
    return {other: seeds for other, seeds in rest.items() if seeds}


def _merged(name: str, value: float, entry: dict[str, Any], hardware: str, seed: str) -> dict[str, Any]:
    allowed = entry.get("tolerance", tolerance(name, value))
    if _is_exact(name, value):
        return {"value": value, "tolerance": allowed}
    runs = {other: dict(seeds) for other, seeds in entry.get("by_hardware", {}).items()}
    earlier = runs.get(hardware, {}).get(seed)
    if earlier is not None and abs(earlier - value) > allowed and not is_ratio(name):
        runs = {}
    runs.setdefault(hardware, {})[seed] = value
    return {"value": _first(runs), "tolerance": allowed, "by_hardware": runs}


def _first(runs: Runs) -> float:
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


def measured(expected: Expected) -> dict[str, dict[str, set[str]]]:
    """Return the seeds of the runs in the reference by notebook and hardware."""
    found: dict[str, dict[str, set[str]]] = {}
    for name, entry in expected.items():
        for hardware, seeds in entry.get("by_hardware", {}).items():
            found.setdefault(notebook(name), {}).setdefault(hardware, set()).update(seeds)
    return found


def _of(numbers: dict, notebooks: list[str]) -> dict:
    return {name: number for name, number in numbers.items() if notebook(name) in notebooks}


def notebook(name: str) -> str:
    """Return the number of the notebook, such as "02", that records a metric."""
    return name.split(".")[0]
