"""Peaks, floors and memory, on values worked by hand; the profile of a forward pass."""

import numpy as np
import pytest
from deployed import Tiny, frames

from helpers.deployment import machine
from helpers.models import Cost, LayerCost


def layer(macs: int) -> LayerCost:
    return LayerCost("conv", 3, 8, (3, 3), 1, (4, 4), macs)


def test_floor_and_intensity_by_hand():
    cost = Cost(size_hw=(8, 8), params=100, layers=(layer(500_000_000), layer(500_000_000)))
    peaks = machine.Peaks({"float32": 100.0, "bfloat16": 200.0}, 10.0)
    assert peaks.floor_ms(cost) == pytest.approx(20)  # 2 x 10^9 operations at 10^11 a second
    assert peaks.floor_ms(cost, "bfloat16") == pytest.approx(10)
    # Two maps of 8 x 4 x 4 numbers, written and read, and 100 weights.
    assert machine.intensity(cost) == pytest.approx(2e9 / (4 * (2 * 256 + 100)))
    assert machine.intensity(cost, 2) == pytest.approx(2 * machine.intensity(cost))


def test_memory_is_counted_at_its_peak():
    def work():
        np.ones(40_000_000, np.uint8)
        return np.ones(10_000_000, np.uint8)

    assert 38 < machine.extra_megabytes(work) < 70


def test_operators_of_a_forward_pass():
    times = machine.operator_times(Tiny(seed=1), frames(32, 48)[0])
    assert {"conv2d", "batch_norm", "argmax"} <= set(times)
    assert list(times.values()) == sorted(times.values(), reverse=True) and min(times.values()) > 0


def test_peaks_are_measured():
    peaks = machine.measure_peaks(threads=1, repeats=1)
    assert set(peaks.gflops) == {"float32", "bfloat16"}
    assert min(peaks.gflops.values()) > 0.5 and peaks.gigabytes_per_s > 0.1
