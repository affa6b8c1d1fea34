"""Comparison with the reference run."""

from __future__ import annotations

import json

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json
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
    reference.write(path, {"02.miou": 0.4, "02.acc": 0.5, "02.latency_ms.x": 7.0}, "x86-avx2")
    assert read_json(path) == {
        "01.frames": {"value": 1, "tolerance": 0},
        "02.acc": {"value": 0.5, "tolerance": 0.05, "by_hardware": {"x86-avx2": {"0": 0.5}}},
        "02.miou": {"value": 0.4, "tolerance": 0.3, "by_hardware": {"x86-avx2": {"0": 0.4}}},
    }
    assert len(path.read_text().splitlines()) == 3 + 2  # one line per metric
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
    [
        [1],
        {"01.a": 1},
        {"01.a": {"value": 1}},
        {"01.a": {"value": "1", "tolerance": 0}},
        {"01.a": {"value": True}},
        {"01.a": {"value": 1, "tolerance": 0, "by_hardware": [1]}},
        {"01.a": {"value": 1, "tolerance": 0, "by_hardware": {"x86-avx2": {}}}},
        {"01.a": {"value": 1, "tolerance": 0, "by_hardware": {"x86-avx2": {"0": None}}}},
    ],
)
def test_reference_without_values_and_tolerances_is_rejected(content, tmp_path):
    path = tmp_path / "reference.json"
    write_json(path, content)
    for use in (lambda: reference.read(path, ["01"]), lambda: reference.write(path, {"01.a": 1}, "x86-avx2")):
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


# --- by hardware ---


def miou(**runs: dict[str, float]) -> dict:
    return {"02.miou": {"value": 0.191, "tolerance": 0.005, "by_hardware": runs}}


def verdict(value: float, expected: dict, hardware: str) -> tuple[bool, str]:
    (found,) = reference.judge({"02.miou": value}, expected, hardware)
    return found.drifted, found.text


def test_both_of_two_cpus_are_right():
    one = miou(avx2={"0": 0.191})
    assert verdict(0.171, one, "amx") == (True, "0.171, expected 0.191 within 0.005 on avx2")
    both = miou(avx2={"0": 0.191}, amx={"0": 0.171})
    assert verdict(0.172, both, "amx") == (False, "within the spread of hardware amx")
    assert verdict(0.172, both, "avx2") == (True, "0.172, expected 0.191 within 0.005")  # its own runs differ
    assert verdict(0.172, both, "avx512") == (False, "within the spread of hardware amx")  # unknown hardware
    assert verdict(0.181, both, "avx512")[0]  # between two spreads


def test_spread_is_mean_and_half_range_of_the_seeds():
    seeds = miou(avx2={"0": 0.20, "1": 0.26, "2": 0.23})  # 0.23 within 0.03
    assert not verdict(0.255, seeds, "avx2")[0]
    assert verdict(0.261, seeds, "avx2") == (True, "0.261, expected 0.23 within 0.03")


def test_second_hardware_and_seed_are_added_to_the_reference(tmp_path):
    path = tmp_path / "reference.json"
    reference.write(path, {"02.miou": 0.191, "02.x.params": 7}, "x86-avx2")
    reference.write(path, {"02.miou": 0.171, "02.x.params": 7}, "x86-amx")
    reference.write(path, {"02.miou": 0.195, "02.x.params": 7}, "x86-avx2", seed=1)
    entries = read_json(path)
    assert entries["02.x.params"] == {"value": 7, "tolerance": 0}
    assert entries["02.miou"] == {
        "value": 0.191,
        "tolerance": 0.02,
        "by_hardware": {"x86-avx2": {"0": 0.191, "1": 0.195}, "x86-amx": {"0": 0.171}},
    }


def test_other_number_of_the_same_hardware_and_seed_replaces_all(tmp_path):
    path = tmp_path / "reference.json"
    for value, hardware in ((0.2, "x86-avx2"), (0.21, "x86-amx"), (0.205, "x86-avx2")):
        reference.write(path, {"02.miou": value}, hardware)
    assert read_json(path)["02.miou"]["by_hardware"] == {"x86-avx2": {"0": 0.205}, "x86-amx": {"0": 0.21}}
    reference.write(path, {"02.miou": 0.3}, "x86-amx")  # the code has changed
    assert read_json(path)["02.miou"] == {"value": 0.3, "tolerance": 0.02, "by_hardware": {"x86-amx": {"0": 0.3}}}


def test_metric_of_other_hardware_only_is_kept_and_not_missing(tmp_path):
    path = tmp_path / "reference.json"
    reference.write(path, {"05.miou.int8": 0.6, "05.miou": 0.7}, "x86-amx")
    reference.write(path, {"05.miou": 0.7}, "x86-avx2")
    expected = reference.read(path, ["05"])
    assert set(expected) == {"05.miou", "05.miou.int8"}
    assert reference.drifts({"05.miou": 0.7}, expected, "x86-avx2") == []
    assert reference.drifts({"05.miou": 0.7}, expected, "x86-amx") == ["05.miou.int8: missing, expected 0.6"]
    assert reference.drifts({"05.miou": 0.7}, expected, "unknown") == ["05.miou.int8: missing, expected 0.6"]


def test_speed_ups_are_relative_to_eager(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(
        path, {"05.latency_ms.eager": 9.0, "05.latency_ms.onednn": 4.5, "05.latency_ms.x": 0, "02.latency_ms.y": 1}
    )
    assert reference.read_metrics(path, ["05"])["05.speedup.onednn"] == 2.0
    assert [name for name in reference.read_metrics(path, ["02", "05"]) if "speedup" in name] == ["05.speedup.onednn"]


def test_speed_ups_are_compared_on_the_same_hardware_and_times_never(tmp_path):
    path = tmp_path / "reference.json"
    reference.write(path, {"05.speedup.onednn": 3.0, "05.latency_ms.onednn": 8.0}, "x86-avx2")
    expected = reference.read(path, ["05"])
    assert set(expected) == {"05.speedup.onednn"}
    assert reference.drifts({"05.speedup.onednn": 1.0}, expected, "x86-avx2") == [
        "05.speedup.onednn: 1, expected 3 within 1.5"
    ]
    assert reference.drifts({"05.speedup.onednn": 1.0}, expected, "x86-amx") == []
    assert reference.drifts({}, expected, "x86-amx") == []


def test_new_metric_is_named_but_is_not_a_drift():
    found = reference.judge({"02.miou": 0.191, "02.new": 1.0, "02.latency_ms.x": 3.0}, miou(avx2={"0": 0.191}))
    assert [(one.name, one.text, one.drifted) for one in found if one.expected is None] == [
        ("02.latency_ms.x", "", False),
        ("02.new", "not in the reference", False),
    ]


def test_table_names_the_hardware_whose_spread_holds_the_numbers():
    rows = reference.table({"02.miou": 0.19}, miou(avx2={"0": 0.191}), "amx").splitlines()
    assert rows[-1] == "the others are within the spread of hardware avx2"


def test_shipped_reference_has_the_hardware_of_its_numbers():
    expected = reference.read(PROJECT / "outputs" / "mini" / "reference.json", [f"{n:02d}" for n in range(7)])
    trained = [entry for entry in expected.values() if "by_hardware" in entry]
    assert trained and all(entry["value"] in next(iter(entry["by_hardware"].values())).values() for entry in trained)
    assert reference.drifts({name: entry["value"] for name, entry in expected.items()}, expected, "x86-amx") == []
