"""The section of the report with verdicts and sparklines."""

from __future__ import annotations

import re

from helpers.runner.trend import section, sparkline
from helpers.runner.verdicts import Verdict

GOOD = Verdict("01.a", 0.5, 0.5, "within 0.02")
BAD = Verdict("01.b<", 0.5, 0.1, "0.5, expected 0.1 within 0.02", drifted=True)


def run(value: float, hardware: str = "x86-avx2") -> dict:
    return {"hardware": hardware, "metrics": {"01.a": value}}


def test_sparkline_runs_from_left_to_right_and_up_for_larger_values():
    points = re.search(r'points="([^"]+)"', sparkline([0.0, None, 1.0]))[1]
    assert points == "3.0,21.0 117.0,3.0"
    assert 'points="3.0,12.0 117.0,12.0"' in sparkline([2, 2])
    assert "2 runs, 0 to 1" in sparkline([0.0, "no number", 1.0])
    assert sparkline([]) == sparkline([1.0]) == sparkline([None, True, 1]) == ""


def test_drift_comes_first_and_all_metrics_are_folded():
    text = section([GOOD, BAD], [], [run(0.1), run(0.2, "x86-amx"), run(0.4)])
    assert text.index("1 of 2 metrics drifted") < text.index("01.b&lt;") < text.index("<details>") < text.index("01.a")
    assert "trend over 2 runs on x86-avx2" in text
    assert 'class="bad"' in text


def test_agreement_failure_and_nothing_to_compare():
    assert "All 1 metrics agree with the reference." in section([GOOD], [], [])
    assert "1 failed." in section([], ["01_a, cell 3: <no>"], []) and "&lt;no&gt;" in section([], ["<no>"], [])
    assert "not compared" in section([Verdict("01.a", 0.5, None, "")], [], [])
    assert section([], [], []) == ""
