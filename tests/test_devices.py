"""The choice of a device."""

import paddle
import pytest

from helpers.common.errors import CourseError
from helpers.devices import use_device


def test_cpu_and_auto_are_always_available():
    assert use_device("cpu") == "cpu"
    assert use_device("auto") == paddle.get_device()


def test_missing_device_raises():
    with pytest.raises(CourseError, match="'gpu:99'.*cpu"):
        use_device("gpu:99")
