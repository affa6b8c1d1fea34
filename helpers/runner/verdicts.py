"""Compare the metrics of a run with the reference.

Trained values differ between machines, since training amplifies differences in the last bits: they are compared with
the runs on the same hardware if there are any, else with the runs on each other one. A value is accepted if it is in
the range of their seeds, or no further from their mean than the tolerance. A number that all seeds share, to within a
hundredth of the tolerance, does not depend on training: it has a tenth of the tolerance on the same hardware. Speed-ups
are compared on the same hardware only, times never.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.runner.reference import Expected, Runs, is_ratio, is_time, measured, notebook


@dataclass(frozen=True)
class Verdict:
    """Comparison of one metric: `value` is None if the run lacks it, `expected` if the reference does."""

    name: str
    value: float | None
    expected: float | None
    text: str
    drifted: bool = False


def has_seed(expected: Expected, seed: int) -> bool:
    """Return whether a run with `seed` can be compared: with its own number, or with the spread of several seeds."""
    seeds = {each for runs in measured(expected).values() for of_one in runs.values() for each in of_one}
    return seed == 0 or str(seed) in seeds or len(seeds) > 1


def judge(metrics: dict[str, float], expected: Expected, hardware: str = "", seed: int = 0) -> list[Verdict]:
    """Compare `metrics` of a run on `hardware` with `seed` with the reference, and list what either lacks."""
    recorded = measured(expected)
    found = []
    for name, entry in expected.items():
        runs = entry.get("by_hardware", {})
        if is_ratio(name) and hardware not in runs:
            continue
        if name in metrics or _is_due(runs, recorded.get(notebook(name), {}), hardware, str(seed)):
            found.append(_judge_one(name, metrics.get(name), entry, hardware))
    judged = {verdict.name for verdict in found}
    for name, value in metrics.items():
        if name not in judged:
            found.append(Verdict(name, value, None, "not in the reference" if expected and not is_time(name) else ""))
    return sorted(found, key=lambda verdict: verdict.name)


def _is_due(runs: Runs, measured: dict[str, set[str]], hardware: str, seed: str) -> bool:
    """Return whether a run must have a metric.

    It must if the run with its seed had it or, for an unknown seed, all runs had it: those on its hardware, or those on
    any other one if there are none. Not every machine has every engine.
    """
    if not runs:
        return True
    return any(
        seed in runs.get(other, {}) if seed in measured[other] else runs.get(other, {}).keys() == measured[other]
        for other in ([hardware] if hardware in measured else runs)
    )


def _judge_one(name: str, value: float | None, entry: dict[str, Any], hardware: str) -> Verdict:
    runs = entry.get("by_hardware", {})

    def text(number: float) -> str:
        return f"{number:g}" if runs else f"{number:.10g}"  # counts that differ must look different

    if value is None:
        return Verdict(name, None, entry["value"], f"missing, expected {text(entry['value'])}", drifted=True)
    candidates = {hardware: runs[hardware]} if hardware in runs else runs or {"": {"": entry["value"]}}
    spreads = []  # (distance beyond the accepted range, hardware, mean, what is accepted)
    for other, seeds in candidates.items():
        least, most = min(seeds.values()), max(seeds.values())
        allowed = entry["tolerance"]
        if other == hardware and len(seeds) > 1 and most - least <= allowed / 100:
            allowed /= 10
        mean = least if least == most else sum(seeds.values()) / len(seeds)
        low, high = min(least, mean - allowed), max(most, mean + allowed)
        accepted = f"{text(mean)} within {allowed:g}" if len(seeds) == 1 else f"{text(low)} to {text(high)}"
        spreads.append((max(low - value, value - high), other, mean, accepted))
    beyond, other, mean, accepted = min(spreads)
    if beyond > 0:
        where = f" on {other}" if other and other != hardware else ""
        return Verdict(name, value, mean, f"{text(value)}, expected {accepted}{where}", drifted=True)
    agrees = f"within the spread of hardware {other}" if other else f"within {entry['tolerance']:g}"
    return Verdict(name, value, mean, agrees)


def drifts(verdicts: list[Verdict]) -> list[str]:
    """Return one line for each reference metric that is missing or outside its spread."""
    return [f"{verdict.name}: {verdict.text}" for verdict in verdicts if verdict.drifted]


def table(verdicts: list[Verdict]) -> str:
    """Return the metrics as a text table, next to the reference values where they exist."""
    shown = [verdict for verdict in verdicts if verdict.value is not None]
    if not shown:
        return "no metrics recorded"
    width = max(len(verdict.name) for verdict in shown)
    compared = any(verdict.expected is not None for verdict in verdicts)
    rows = [f"{'metric':<{width}} {'this run':>12}" + (f" {'reference':>12}" if compared else "")]
    for verdict in shown:
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
