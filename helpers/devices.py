"""Choose the device that Paddle computes on."""

from __future__ import annotations

import paddle

from helpers.common.errors import CourseError


def use_device(device: str = "auto") -> str:
    """Make `device` Paddle's current one and return its name; "auto" is the first GPU if there is one, else the CPU.

    Raises CourseError when the device is not there.
    """
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    available = ["cpu", *(f"gpu:{number}" for number in range(gpus))]
    chosen = available[min(1, gpus)] if device == "auto" else device
    if chosen == "gpu":
        chosen = "gpu:0"
    if chosen not in available:
        hint = (
            "" if paddle.is_compiled_with_cuda() else "; this Paddle is built for CPU, environment.yml has the GPU one"
        )
        raise CourseError(f"There is no device {device!r} here: choose auto or one of {', '.join(available)}{hint}.")
    paddle.set_device(chosen)
    return chosen
