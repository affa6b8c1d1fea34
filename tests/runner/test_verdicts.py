"""The comparison of a run with the reference."""

from __future__ import annotations

import pytest

from helpers.common.files import PROJECT
from helpers.runner import reference, verdicts


def drifts(metrics: dict, expected: dict, hardware: str = "", seed: int = 0) -> list[str]:
    return verdicts.drifts(verdicts.judge(metrics, expected, hardware, seed))


def table(metrics: dict, expected: dict, hardware: str = "") -> str:
    return verdicts.table(verdicts.judge(metrics, expected, hardware))


def test_difference_equal_to_the_tolerance_is_accepted():
    expected = {"a": {"value": 1.0, "tolerance": 0.5}, "b": {"value": 3, "tolerance": 0}}
    assert drifts({"a": 1.5, "b": 3, "c": 9}, expected) == []
    assert drifts({"a": 1.75, "b": 2}, expected) == [
        "a: 1.75, expected 1 within 0.5",
        "b: 2, expected 3 within 0",
    ]
    assert drifts({"a": 1.0}, expected) == ["b: missing, expected 3"]


def test_table_shows_the_reference_and_marks_differences():
    rows = table({"a": 0.5, "bb": 2}, {"a": {"value": 0.1, "tolerance": 0.1}}).splitlines()
    assert [row.split() for row in rows[:3]] == [
        ["metric", "this", "run", "reference"],
        ["a", "0.5", "0.1", "*"],
        ["bb", "2"],
    ]
    assert rows[3].startswith("*")
    assert "reference" not in table({"a": 0.5}, {})
    assert table({}, {}) == "no metrics recorded"


def miou(**runs: dict[str, float]) -> dict:
    return {"02.miou": {"value": 0.191, "tolerance": 0.005, "by_hardware": runs}}


def verdict(value: float, expected: dict, hardware: str) -> tuple[bool, str]:
    (found,) = verdicts.judge({"02.miou": value}, expected, hardware)
    return found.drifted, found.text


def test_both_of_two_cpus_are_right():
    one = miou(avx2={"0": 0.191})
    assert verdict(0.171, one, "amx") == (True, "0.171, expected 0.191 within 0.005 on avx2")
    both = miou(avx2={"0": 0.191}, amx={"0": 0.171})
    assert verdict(0.172, both, "amx") == (False, "within the spread of hardware amx")
    assert verdict(0.172, both, "avx2") == (True, "0.172, expected 0.191 within 0.005")  # its own runs differ
    assert verdict(0.172, both, "avx512") == (False, "within the spread of hardware amx")  # unknown hardware
    assert verdict(0.181, both, "avx512")[0]  # between two spreads


def test_metric_of_other_hardware_only_is_kept_and_not_missing(tmp_path):
    path = tmp_path / "reference.json"
    reference.write(path, {"05.miou.int8": 0.6, "05.miou": 0.7}, "x86-amx")
    reference.write(path, {"05.miou": 0.7}, "x86-avx2")
    expected = reference.read(path, ["05"])
    assert set(expected) == {"05.miou", "05.miou.int8"}
    assert drifts({"05.miou": 0.7}, expected, "x86-avx2") == []
    assert drifts({"05.miou": 0.7}, expected, "x86-amx") == ["05.miou.int8: missing, expected 0.6"]
    assert drifts({"05.miou": 0.7}, expected, "unknown") == ["05.miou.int8: missing, expected 0.6"]


# --- several seeds ---


def test_values_between_those_of_the_seeds_are_accepted():
    seeds = miou(avx2={"0": 0.20, "1": 0.26, "2": 0.23})
    assert not verdict(0.255, seeds, "avx2")[0]
    assert verdict(0.261, seeds, "avx2") == (True, "0.261, expected 0.2 to 0.26")
    assert not verdict(0.255, seeds, "amx")[0]
    assert verdict(0.261, seeds, "amx") == (True, "0.261, expected 0.2 to 0.26 on avx2")


def test_tolerance_is_around_the_mean():
    seeds = miou(avx2={"0": 0.199, "1": 0.200, "2": 0.201})
    assert not verdict(0.1951, seeds, "avx2")[0]
    assert verdict(0.1949, seeds, "avx2") == (True, "0.1949, expected 0.195 to 0.205")


def test_every_recorded_value_is_accepted_even_one_that_differs_from_all_others():
    seeds = {"0": 0.20, "1": 0.26, "2": 0.26, "3": 0.26, "4": 0.26}  # 0.048 below the mean, half-range 0.03
    for value in seeds.values():
        assert verdict(value, miou(avx2=seeds), "avx2") == (False, "within the spread of hardware avx2")


def test_number_that_all_seeds_share_has_a_tenth_of_the_tolerance_on_the_same_hardware():
    seeds = miou(avx2=dict.fromkeys("01234", 0.74))
    assert not verdict(0.7404, seeds, "avx2")[0]
    assert verdict(0.738, seeds, "avx2") == (True, "0.738, expected 0.7395 to 0.7405")
    assert not verdict(0.738, seeds, "amx")[0]
    assert not verdict(0.738, miou(avx2={"0": 0.74}), "avx2")[0]
    assert verdict(0.738, miou(avx2={"0": 0.74, "1": 0.74004}), "avx2")[0]  # apart by less than 0.005 / 100
    assert not verdict(0.738, miou(avx2={"0": 0.74, "1": 0.74006}), "avx2")[0]


def plan_of_seeds() -> dict:
    """The parameters that the plans of three seeds keep, which differ, and an exact count."""
    after = {"0": 259651, "1": 281003, "2": 240127}
    return {
        "04.params.after": {"value": 259651, "tolerance": 25965.1, "by_hardware": {"avx2": after}},
        "04.params.before": {"value": 1401187, "tolerance": 0},
    }


@pytest.mark.parametrize(
    ("after", "drift"),
    [
        (240127, []),
        (281003, []),
        (286225, []),  # a tenth above the mean, 260260.3
        (286226, ["04.params.after: 286226, expected 234295 to 286225"]),
    ],
)
def test_plans_may_differ_like_those_of_the_seeds(after, drift):
    assert drifts({"04.params.after": after, "04.params.before": 1401187}, plan_of_seeds(), "avx2", seed=7) == drift


def test_counts_agree_exactly_for_every_seed():
    found = drifts({"04.params.after": 259651, "04.params.before": 1401186}, plan_of_seeds(), "avx2", seed=7)
    assert found == ["04.params.before: 1401186, expected 1401187 within 0"]
    gmacs = {"04.gmacs.before": {"value": 186.878263296, "tolerance": 0.000186878263296}}
    assert drifts({"04.gmacs.before": 186.8785}, gmacs) == [
        "04.gmacs.before: 186.8785, expected 186.8782633 within 0.000186878"
    ]


@pytest.mark.parametrize(
    ("hardware", "seed", "missing"),
    [
        ("avx2", 0, False),  # the run with this seed had none
        ("avx2", 1, True),
        ("avx2", 7, False),  # some runs had none
        ("amx", 0, False),
        ("amx", 1, True),
        ("amx", 7, False),
    ],
)
def test_metric_of_some_seeds_is_missing_only_where_their_run_had_it(hardware, seed, missing):
    entries = miou(avx2={"0": 0.19, "1": 0.19, "2": 0.19})
    entries["02.some"] = {"value": 0.5, "tolerance": 0.05, "by_hardware": {"avx2": {"1": 0.5}}}
    found = drifts({"02.miou": 0.19}, entries, hardware, seed)
    assert found == (["02.some: missing, expected 0.5"] if missing else [])
    assert drifts({"02.miou": 0.19, "02.some": 0.6}, entries, hardware, seed) != []


def test_metric_of_every_seed_is_missing_for_another_seed_as_well():
    for hardware in ("avx2", "amx"):
        assert drifts({}, miou(avx2={"0": 0.19, "1": 0.2}), hardware, seed=7) == ["02.miou: missing, expected 0.191"]


def test_hardware_that_has_run_another_notebook_is_unknown_in_this_one():
    entries = miou(avx2={"0": 0.19})
    entries["05.acc"] = {"value": 0.5, "tolerance": 0.05, "by_hardware": {"amx": {"0": 0.5}}}
    assert drifts({"02.miou": 0.19}, entries, "avx2") == ["05.acc: missing, expected 0.5"]


def test_seed_can_be_compared_if_the_reference_has_it_or_several():
    one, several = miou(avx2={"0": 0.19}), miou(avx2={"0": 0.19, "1": 0.2})
    assert [verdicts.has_seed(each, 7) for each in ({}, one, several)] == [False, False, True]
    assert verdicts.has_seed({}, 0) and verdicts.has_seed(miou(avx2={"7": 0.19}), 7)


# --- speed ---


def test_speed_ups_are_compared_on_the_same_hardware_and_times_never(tmp_path):
    path = tmp_path / "reference.json"
    reference.write(path, {"05.speedup.onednn": 3.0, "05.latency_ms.onednn": 8.0}, "x86-avx2")
    expected = reference.read(path, ["05"])
    assert set(expected) == {"05.speedup.onednn"}
    assert drifts({"05.speedup.onednn": 1.0}, expected, "x86-avx2") == ["05.speedup.onednn: 1, expected 3 within 1.5"]
    assert drifts({"05.speedup.onednn": 1.0}, expected, "x86-amx") == []
    assert drifts({}, expected, "x86-amx") == []


def test_new_metric_is_named_but_is_not_a_drift():
    found = verdicts.judge({"02.miou": 0.191, "02.new": 1.0, "02.latency_ms.x": 3.0}, miou(avx2={"0": 0.191}))
    assert [(one.name, one.text, one.drifted) for one in found if one.expected is None] == [
        ("02.latency_ms.x", "", False),
        ("02.new", "not in the reference", False),
    ]


def test_table_names_the_hardware_whose_spread_holds_the_numbers():
    rows = table({"02.miou": 0.19}, miou(avx2={"0": 0.191}), "amx").splitlines()
    assert rows[-1] == "the others are within the spread of hardware avx2"


# --- the reference in git ---


def test_every_run_of_the_shipped_reference_agrees_with_it():
    expected = reference.read(PROJECT / "outputs" / "mini" / "reference.json", [f"{n:02d}" for n in range(7)])
    counts = {name: entry["value"] for name, entry in expected.items() if "by_hardware" not in entry}
    runs = {
        (hardware, seed)
        for entry in expected.values()
        for hardware, seeds in entry.get("by_hardware", {}).items()
        for seed in seeds
    }
    assert counts and runs
    for hardware, seed in runs:
        trained = {
            name: entry["by_hardware"][hardware][seed]
            for name, entry in expected.items()
            if seed in entry.get("by_hardware", {}).get(hardware, {})
        }
        ran = {name[:2] for name in trained}  # a run may be of some notebooks only
        own = {name: entry for name, entry in expected.items() if name[:2] in ran}
        numbers = trained | {name: value for name, value in counts.items() if name[:2] in ran}
        for machine in (hardware, "unknown"):
            assert drifts(numbers, own, machine, int(seed)) == []
