"""NVIDIA GPUs as the driver lists them, without Paddle's GPU build: names, the chosen one, page-locked memory."""

from __future__ import annotations

import ctypes

import numpy as np
import paddle

_PORTABLE = 1  # CU_MEMHOSTREGISTER_PORTABLE: page-locked for all contexts
_locked: list[np.ndarray] = []
_used: str | None = None


def names() -> list[str]:
    """Return the name of each GPU that the driver lists; none without a driver."""
    driver = _driver()
    if driver is None:
        return []
    count = ctypes.c_int(0)
    if driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    found = []
    for index in range(count.value):
        text = ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(text, len(text), _device(driver, index))
        found.append(text.value.decode(errors="replace"))
    return found


def use(device: str) -> None:
    """Let engines run on the GPU `device`, such as "gpu:1", whatever device Paddle runs on.

    Any other name, such as "auto" or "cpu", leaves the choice to Paddle's device again.
    """
    global _used
    _used = device if device.startswith("gpu:") else None


def chosen() -> int:
    """Return the index of the GPU for engines: that of `use`, else the one that Paddle runs on, else 0."""
    kind, _, index = (_used or paddle.get_device()).partition(":")
    return int(index) if kind == "gpu" and index else 0


def page_locked(shape: tuple[int, ...], dtype: type, index: int) -> tuple[np.ndarray, bool]:
    """Return an array of zeros, and whether its memory is page-locked: a GPU copies such memory without a detour.

    The memory is locked until the process ends, so keep the array. It is an ordinary array if there is no GPU `index`
    or the system's limit of locked memory is reached.
    """
    array = np.zeros(shape, dtype)
    driver = _driver()
    if driver is None or not array.nbytes:
        return array, False
    context = ctypes.c_void_p()
    # The primary context is the one that ONNX Runtime uses.
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), _device(driver, index)):
        return array, False
    if driver.cuCtxSetCurrent(context):
        return array, False
    address, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
    locked = not driver.cuMemHostRegister_v2(address, size, _PORTABLE)
    if locked:
        _locked.append(array)  # freeing registered memory would hand its locked pages to other arrays
    return array, locked


def _driver():
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return None if driver.cuInit(0) else driver


def _device(driver, index: int) -> ctypes.c_int:
    device = ctypes.c_int(0)
    driver.cuDeviceGet(ctypes.byref(device), index)
    return device
