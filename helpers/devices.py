"""Choose the device that Paddle runs on."""

from __future__ import annotations

import paddle

from helpers.common.errors import CourseError


def use_device(device: str = "auto") -> str:
    """Set Paddle's device and return its name.

    `device` is "cpu", "gpu" (the first one), "gpu:<index>", the name of a device of a plug-in, such as "npu" or
    "npu:<index>", or "auto": the first GPU if there is one, else the CPU.
    Raises CourseError if the device does not exist.
    """
    gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    available = ["cpu", *(f"gpu:{index}" for index in range(gpus)), *_custom_devices()]
    chosen = available[min(1, gpus)] if device == "auto" else device
    if chosen != "cpu" and f"{chosen}:0" in available:
        chosen = f"{chosen}:0"
    if chosen not in available:
        names = ", ".join(["auto", *available])
        hint = (
            ""
            if paddle.is_compiled_with_cuda()
            else " (this Paddle runs on CPUs only; environment.yml installs the GPU build)"
        )
        raise CourseError(f"Expected a device that exists, got {device!r}: choose one of {names}{hint}.")
    paddle.set_device(chosen)
    return chosen


def synchronize() -> None:
    """Wait until the current device has finished; work on a GPU goes on after a call has returned."""
    if paddle.get_device() != "cpu":
        paddle.device.synchronize()


def _custom_devices() -> list[str]:
    """Return the devices of plug-ins, each as "name:index"; Paddle lists the first of one kind without an index."""
    names = paddle.device.get_available_custom_device()
    return [name if ":" in name else f"{name}:0" for name in names]
