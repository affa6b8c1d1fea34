"""The reference of the metrics: reading and writing."""

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


def test_speed_ups_are_relative_to_eager(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(
        path, {"05.latency_ms.eager": 9.0, "05.latency_ms.onednn": 4.5, "05.latency_ms.x": 0, "02.latency_ms.y": 1}
    )
    assert reference.read_metrics(path, ["05"])["05.speedup.onednn"] == 2.0
    assert [name for name in reference.read_metrics(path, ["02", "05"]) if "speedup" in name] == ["05.speedup.onednn"]


def write_seeds(path, metrics: dict[str, list], hardware: str = "x86-avx2") -> None:
    """Write one run per seed; None is a metric that the run did not record."""
    for seed in range(max(map(len, metrics.values()))):
        run = {name: values[seed] for name, values in metrics.items() if values[seed] is not None}
        reference.write(path, run, hardware, seed)


def test_metric_that_some_seeds_lack_is_kept(tmp_path):
    path = tmp_path / "reference.json"
    write_seeds(path, {"04.miou": [0.7, 0.71, 0.72], "04.cut": [0.5, 0.52, None]})
    assert read_json(path)["04.cut"]["by_hardware"] == {"x86-avx2": {"0": 0.5, "1": 0.52}}
    reference.write(path, {"04.miou": 0.7}, "x86-avx2", seed=0)  # no longer recorded with this seed
    entry = read_json(path)["04.cut"]
    assert (entry["value"], entry["by_hardware"]) == (0.52, {"x86-avx2": {"1": 0.52}})
    reference.write(path, {"04.miou": 0.71}, "x86-avx2", seed=1)
    assert "04.cut" not in read_json(path)


def test_plans_of_several_seeds_are_all_kept(tmp_path):
    path = tmp_path / "reference.json"
    write_seeds(path, {"04.params.after": [259651, 400000, 240127], "04.params.before": [7, 7, 7]})
    assert read_json(path) == {
        "04.params.after": {
            "value": 259651,
            "tolerance": 25965.1,
            "by_hardware": {"x86-avx2": {"0": 259651, "1": 400000, "2": 240127}},
        },
        "04.params.before": {"value": 7, "tolerance": 0},
    }


@pytest.mark.parametrize(("hardware", "seed"), [("x86-avx2", 1), ("x86-amx", 0)])
def test_count_that_differs_from_the_other_runs_is_an_error(hardware, seed, tmp_path):
    path = tmp_path / "reference.json"
    reference.write(path, {"01.classes.val": 19, "01.miou": 0.2}, "x86-avx2")
    before = path.read_text()
    sentence = rf"^Expected 01\.classes\.val to be 19 .*, got 18 on {hardware} with SEED={seed}: .*\.$"
    with pytest.raises(CourseError, match=sentence):
        reference.write(path, {"01.classes.val": 18, "01.miou": 0.2}, hardware, seed)
    assert path.read_text() == before


def test_count_of_a_run_that_is_measured_again_is_replaced(tmp_path):
    path = tmp_path / "reference.json"
    write_seeds(path, {"01.classes.val": [19, 19], "01.miou": [0.2, 0.21]})
    reference.write(path, {"01.classes.val": 18, "01.miou": 0.2}, "x86-avx2", seed=1)  # the code has changed
    assert read_json(path)["01.classes.val"]["value"] == 18


def test_speed_up_of_a_busy_machine_keeps_those_of_others(tmp_path):
    path = tmp_path / "reference.json"
    for value, hardware, seed in ((14.0, "x86-avx2", 0), (12.0, "x86-avx2", 1), (30.0, "x86-amx", 0)):
        reference.write(path, {"05.speedup.onednn": value}, hardware, seed)
    reference.write(path, {"05.speedup.onednn": 3.0}, "x86-avx2")
    assert read_json(path)["05.speedup.onednn"]["by_hardware"] == {
        "x86-avx2": {"0": 3.0, "1": 12.0},
        "x86-amx": {"0": 30.0},
    }
