"""Shared by the operators that are compiled with Numba."""

from __future__ import annotations

import ctypes
from math import prod

import numba
import numpy as np
import paddle


def as_array(tensor: paddle.Tensor) -> np.ndarray:
    """Return a view of a float32 CPU tensor, valid as long as the tensor; `Tensor.numpy()` would copy it.

    Raises ValueError if the tensor is not contiguous.
    """
    if not tensor.is_contiguous():
        raise ValueError(f"Expected a contiguous tensor, got strides {tensor.strides} for shape {tensor.shape}")
    shape = tensor.shape
    memory = (ctypes.c_float * prod(shape)).from_address(tensor.data_ptr())
    return np.frombuffer(memory, np.float32).reshape(shape)


@numba.njit(inline="always")
def copy_line(source, target):
    """Copy `target.size` values; in Numba `target[:] = source` takes four times as long."""
    for k in range(target.size):
        target[k] = source[k]
