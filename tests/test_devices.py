"""The choice of a device."""

import paddle
import pytest

from helpers.common.errors import CourseError
from helpers.devices import synchronize, use_device


def test_cpu_and_auto_are_always_available():
    assert use_device("cpu") == "cpu"
    assert use_device("auto") == paddle.get_device()


def test_devices_of_plug_ins_by_name(monkeypatch):
    chosen = []
    monkeypatch.setattr(paddle.device, "get_available_custom_device", lambda: ["npu:0", "npu:1", "mlu"])
    monkeypatch.setattr(paddle, "set_device", chosen.append)
    assert [use_device(name) for name in ("npu", "npu:1", "mlu", "mlu:0")] == ["npu:0", "npu:1", "mlu:0", "mlu:0"]
    assert chosen == ["npu:0", "npu:1", "mlu:0", "mlu:0"]
    with pytest.raises(CourseError, match="'npu:2': choose one of auto, cpu, .*npu:0, npu:1, mlu:0"):
        use_device("npu:2")


def test_missing_device_raises():
    with pytest.raises(CourseError, match="'gpu:99'.*cpu"):
        use_device("gpu:99")


def test_waiting_for_a_gpu_only(monkeypatch):
    waited = []
    monkeypatch.setattr(paddle.device, "synchronize", lambda: waited.append(1))
    synchronize()
    assert not waited
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    synchronize()
    assert waited == [1]
