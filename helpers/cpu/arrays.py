"""What the operators that we compile with Numba have in common."""

from __future__ import annotations

import ctypes
from math import prod

import numba
import numpy as np
import paddle


def as_array(tensor: paddle.Tensor) -> np.ndarray:
    """The memory of a float32 CPU tensor as an array, valid as long as the tensor; `Tensor.numpy()` would copy it."""
    if not tensor.is_contiguous():
        raise ValueError(f"expected a contiguous tensor, got strides {tensor.strides} for shape {tensor.shape}")
    shape = tensor.shape
    memory = (ctypes.c_float * prod(shape)).from_address(tensor.data_ptr())
    return np.frombuffer(memory, np.float32).reshape(shape)


@numba.njit(inline="always")
def copy_line(source, target):
    """Copy as many values as `target` has; numba takes four times as long for `target[:] = source`."""
    for k in range(target.size):
        target[k] = source[k]
