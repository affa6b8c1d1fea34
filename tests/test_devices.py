import paddle
import pytest

from helpers.common.errors import CourseError
from helpers.devices import use_device


def test_cpu_and_auto_are_always_there():
    assert use_device("cpu") == "cpu"
    assert use_device("auto") == paddle.get_device()


def test_device_that_is_not_there():
    with pytest.raises(CourseError, match="'gpu:99'.*cpu"):
        use_device("gpu:99")
