"""Agreement and latency, by hand."""

import numpy as np
import pytest
from small_networks import frames

from helpers.common.errors import CourseError
from helpers.deployment import Latency, agreement, measure


def test_latency_by_hand():
    assert Latency((10.0, 30.0, 20.0, 40.0, 100.0)).median_ms == 30


def test_rounds_are_interleaved():
    order = []
    frame = frames(2, 2)[0]
    calls = {"a": lambda x: order.append(("a", x is frame)), "b": lambda x: order.append(("b", x is frame))}
    latencies = measure(calls, frame, warmup=1, repeats=2, pause_s=0)
    assert order == [("a", True), ("b", True)] * 3
    assert [len(latency.runs_ms) for latency in latencies.values()] == [2, 2]
    with pytest.raises(CourseError, match="at least one counted round, got repeats=0"):
        measure(calls, frame, warmup=1, repeats=0)


def test_agreement_by_hand():
    labels = np.array([[1, 2], [3, 4]])
    assert agreement(labels, labels) == 1
    assert agreement(labels, np.array([[1, 2], [4, 3]])) == 0.5
    with pytest.raises(CourseError, match="same shape"):
        agreement(labels, labels[:1])
