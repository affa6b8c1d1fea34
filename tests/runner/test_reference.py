"""Comparison with the reference run."""

from __future__ import annotations

import json

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import read_json, write_json
from helpers.runner import reference


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("05.latency_ms.eager", True),
        ("05.speedup.onednn", True),
        ("02.seconds_per_step", True),
        ("data.scan_fps", True),
        ("03.fastscnn.miou", False),
        ("02.hrnet_w18_small_v2.params", False),
        ("04.mean_items", False),
    ],
)
def test_times_are_recognised_by_name(name, time):
    assert reference.is_time(name) is time


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("01.frames.train", 96, 0),
        ("02.fastscnn.params", 1423187, 0),
        ("02.fastscnn.gmacs", 7.25, 7.25e-6),
        ("04.gmacs.before", 7.25, 7.25e-6),
        ("04.gmacs.after", 3.5, 0.35),  # a plan depends on the training
        ("04.params.after", 400_000, 40_000),
        ("03.fastscnn.miou", 0.45, 0.045),
        ("03.fastscnn.kappa", 0.1, 0.02),
        ("02.fastscnn.loss_last", -3.0, 0.3),
    ],
)
def test_initial_tolerance(name, value, allowed):
    assert reference.tolerance(name, value) == pytest.approx(allowed)


def test_difference_equal_to_the_tolerance_is_accepted():
    expected = {"a": {"value": 1.0, "tolerance": 0.5}, "b": {"value": 3, "tolerance": 0}}
    assert reference.drifts({"a": 1.5, "b": 3, "c": 9}, expected) == []
    assert reference.drifts({"a": 1.75, "b": 2}, expected) == [
        "a: 1.75, expected 1 within 0.5",
        "b: 2, expected 3 within 0",
    ]
    assert reference.drifts({"a": 1.0}, expected) == ["b: missing, expected 3"]


def test_write_keeps_tolerances_and_other_notebooks_and_drops_old_metrics(tmp_path):
    path = tmp_path / "smoke" / "reference.json"
    write_json(
        path,
        {
            "01.frames": {"value": 1, "tolerance": 0},
            "02.miou": {"value": 0.1, "tolerance": 0.3},
            "02.gone": {"value": 0.1, "tolerance": 0.3},
        },
    )
    reference.write(path, {"02.miou": 0.4, "02.acc": 0.5, "02.latency_ms.x": 7.0})
    assert read_json(path) == {
        "01.frames": {"value": 1, "tolerance": 0},
        "02.acc": {"value": 0.5, "tolerance": 0.05},
        "02.miou": {"value": 0.4, "tolerance": 0.3},
    }
    assert reference.read(path, ["01"]) == {"01.frames": {"value": 1, "tolerance": 0}}
    assert reference.read(tmp_path / "none.json", ["01"]) == {}


def test_metrics_are_those_of_the_notebooks_that_ran(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"01.a": 1, "02.b": 0.5})
    assert reference.read_metrics(path, ["02"]) == {"02.b": 0.5}
    assert reference.read_metrics(tmp_path / "none.json", ["02"]) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "0.4", None, [0.4], {"a": 1}])
def test_metrics_that_are_not_finite_are_rejected(tmp_path, value):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"01.a": 1, "03.miou": value}))
    with pytest.raises(CourseError, match=r"finite number for 03\.miou .*: run that notebook again\.$"):
        reference.read_metrics(path, ["01"])


@pytest.mark.parametrize(
    "content",
    [[1], {"01.a": 1}, {"01.a": {"value": 1}}, {"01.a": {"value": "1", "tolerance": 0}}, {"01.a": {"value": True}}],
)
def test_reference_without_values_and_tolerances_is_rejected(content, tmp_path):
    path = tmp_path / "reference.json"
    write_json(path, content)
    for use in (lambda: reference.read(path, ["01"]), lambda: reference.write(path, {"01.a": 1})):
        with pytest.raises(CourseError, match=r"reference\.json, got .*: restore it with `git checkout`"):
            use()
    assert read_json(path) == content


def test_metrics_that_are_not_a_table_are_rejected(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("[1]")
    with pytest.raises(CourseError, match="one flat table"):
        reference.read_metrics(path, ["01"])


def test_table_shows_the_reference_and_marks_differences():
    rows = reference.table({"a": 0.5, "bb": 2}, {"a": {"value": 0.1, "tolerance": 0.1}}).splitlines()
    assert [row.split() for row in rows[:3]] == [
        ["metric", "this", "run", "reference"],
        ["a", "0.5", "0.1", "*"],
        ["bb", "2"],
    ]
    assert rows[3].startswith("*")
    assert "reference" not in reference.table({"a": 0.5}, {})
    assert reference.table({}, {}) == "no metrics recorded"
