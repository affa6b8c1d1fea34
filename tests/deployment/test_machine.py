"""Peaks, floors and memory, on values worked out by hand; the profile of a forward pass."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import frames, tiny

from helpers.common.errors import CourseError
from helpers.deployment import machine
from helpers.models import Cost, LayerCost


def cost_of(*macs: int) -> Cost:
    layers = tuple(LayerCost("conv", 3, 8, (3, 3), 1, (4, 4), each) for each in macs)
    return Cost(size_hw=(8, 8), padded_hw=(8, 8), params=100, layers=layers)


COST = cost_of(500_000_000, 500_000_000)


def test_floor_and_intensity_by_hand():
    peaks = machine.Peaks({"float32": (80.0, 100.0), "bfloat16": (200.0, 50.0)}, 10.0)
    assert peaks.gflops == {"float32": 100, "bfloat16": 200}
    assert peaks.floor_ms(COST) == pytest.approx(20)  # 2 x 10^9 operations at 10^11 per second
    assert peaks.floor_ms(COST, "bfloat16") == pytest.approx(10)
    assert peaks.floors_ms(COST) == pytest.approx((25, 20))
    # Two maps of 8 x 4 x 4 numbers, written and read, and 100 weights.
    assert machine.intensity(COST) == pytest.approx(2e9 / (4 * (2 * 256 + 100)))
    assert machine.intensity(COST, 2) == pytest.approx(2 * machine.intensity(COST))


def test_a_run_faster_than_the_peak_raises_the_peak():
    peaks = machine.Peaks({"float32": (80.0, 100.0), "bfloat16": (200.0, 50.0)}, 10.0)
    raised = peaks.raised(machine.Work(COST), [30.0, 22.0])  # 22 ms are 91 GFLOP/s
    assert raised.floors_ms(COST) == pytest.approx((22, 20))
    assert raised.rounds["bfloat16"] == peaks.rounds["bfloat16"]
    assert raised.gigabytes_per_s == 10
    assert peaks.rounds["float32"] == (80, 100)  # unchanged


positive = st.floats(1e-3, 1e6)


@given(st.lists(positive, min_size=1), st.lists(positive, min_size=1), st.sampled_from(["float32", "bfloat16"]))
def test_no_floor_above_a_measured_time(rates, runs_ms, precision):
    peaks = machine.Peaks({"float32": tuple(rates), "bfloat16": tuple(rates)}, 1.0)
    raised = peaks.raised(machine.Work(COST, precision), runs_ms)
    assert max(raised.floors_ms(COST, precision)) <= min(runs_ms) * (1 + 1e-12)
    assert raised.floor_ms(COST, precision) <= peaks.floor_ms(COST, precision) * (1 + 1e-12)


def test_peaks_and_calls_share_the_rounds():
    """A call that claims more work than the machine can do defines the peak; an honest one leaves it as measured."""
    order = []
    calls = {"slow": lambda _: time.sleep(0.01), "fast": lambda x: order.append(x is frame)}
    frame = frames(4, 4)[0]
    impossible = cost_of(10**15)
    work = {"slow": machine.Work(cost_of(10)), "fast": machine.Work(impossible, "bfloat16")}
    measured, peaks = machine.measure_with_peaks(
        calls, frame, work, warmup=1, repeats=3, threads=1, tries=1, show=False
    )
    assert order == [True] * 4
    assert set(measured) == set(calls) and len(measured["fast"].runs_ms) == 3
    assert peaks.floors_ms(impossible, "bfloat16") == pytest.approx(measured["fast"].runs_ms)
    assert set(peaks.gflops) == {"float32", "bfloat16"}
    assert 0.5 < peaks.gflops["float32"] < 1e5
    assert peaks.gigabytes_per_s > 0.1
    with pytest.raises(CourseError, match="Expected work for names in `calls`, got gone"):
        machine.measure_with_peaks(calls, frame, {"gone": machine.Work(COST)}, warmup=0, repeats=1)


def test_memory_is_counted_at_its_peak():
    def work():
        np.ones(40_000_000, np.uint8)
        return np.ones(10_000_000, np.uint8)

    assert 38 < machine.extra_megabytes(work) < 70


def test_operators_of_a_forward_pass():
    times = machine.operator_times(tiny(seed=1), frames(32, 48)[0])
    assert {"conv2d", "batch_norm", "argmax"} <= set(times)
    assert list(times.values()) == sorted(times.values(), reverse=True) and min(times.values()) > 0


def test_the_ridge_is_peak_over_bandwidth():
    assert machine.Peaks({"float32": (80.0, 100.0)}, 10.0).ridge() == 10.0


def test_bfloat16_needs_an_instruction_of_the_processor(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "Path", lambda _: info)
    assert not machine.has_bfloat16()
    for flags, known in (("fma avx2", False), ("avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True)):
        info.write_text(f"flags\t\t: {flags}\n")
        assert machine.has_bfloat16() is known
