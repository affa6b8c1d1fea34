"""The first section of the report: the verdict, and each metric with its trend over earlier runs."""

from __future__ import annotations

import html
from typing import Any

from helpers.runner.ci import headline
from helpers.runner.verdicts import Verdict

WIDTH, HEIGHT = 120, 24  # of a sparkline, in pixels


def section(verdicts: list[Verdict], errors: list[str], runs: list[dict[str, Any]]) -> str:
    """Return the section as HTML: errors and drifted metrics first, all metrics folded.

    `runs` are lines of the history, oldest first; the trend covers those on the hardware of the last one.
    """
    if not verdicts and not errors:
        return ""
    compared = [verdict for verdict in verdicts if verdict.expected is not None]
    drifted = [verdict for verdict in compared if verdict.drifted]
    same = [run for run in runs if run["hardware"] == runs[-1]["hardware"]]
    kind = "bad" if errors or drifted else "good"
    parts = [f'<p class="{kind}">{html.escape(headline(errors, compared))}</p>']
    parts += [f"<p>{html.escape(error)}</p>" for error in errors]
    if drifted:
        parts.append(_table(drifted, same))
    if verdicts:
        over = f", with their trend over {len(same)} runs on {html.escape(same[-1]['hardware'])}" if same else ""
        parts.append(f"<details><summary>All metrics{over}</summary>{_table(verdicts, same)}</details>")
    return f'<section id="verdicts"><h2>Verdict</h2>{"".join(parts)}</section>'


def _table(verdicts: list[Verdict], runs: list[dict[str, Any]]) -> str:
    rows = []
    for verdict in verdicts:
        cells = [
            f"<code>{html.escape(verdict.name)}</code>",
            _number(verdict.value),
            _number(verdict.expected),
            html.escape(verdict.text),
            sparkline([run["metrics"].get(verdict.name) for run in runs]),
        ]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("metric", "this run", "reference", "verdict", "trend"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value}" if isinstance(value, int) else f"{value:.6g}"


def sparkline(values: list[Any]) -> str:
    """Return a line through `values` as SVG, scaled to their range, with a dot at the last; nothing for fewer than two.

    Values that are not numbers, such as None of a run without the metric, are left out.
    """
    points = [
        (number, value)
        for number, value in enumerate(values)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    if len(points) < 2:
        return ""
    low, high = min(value for _, value in points), max(value for _, value in points)
    first, last = points[0][0], points[-1][0]
    placed = [
        (
            3 + (WIDTH - 6) * (number - first) / (last - first),
            HEIGHT / 2 if high == low else 3 + (HEIGHT - 6) * (high - value) / (high - low),
        )
        for number, value in points
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    x, y = placed[-1]
    title = f"{len(points)} runs, {low:.6g} to {high:.6g}"
    return (
        f'<svg class="trend" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{title}"><title>{title}</title><polyline points="{line}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
    )
