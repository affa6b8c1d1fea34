"""Shared by the operators that are compiled with Numba."""

from __future__ import annotations

import ctypes
from math import prod

import numba
import numpy as np
import paddle
from paddle import nn


def as_array(tensor: paddle.Tensor) -> np.ndarray:
    """Return a view of a float32 CPU tensor, valid as long as the tensor; `Tensor.numpy()` would copy it.

    Raises ValueError if the tensor is not contiguous or not on the CPU, whose pointers only are addresses.
    """
    require_cpu(tensor)
    if not tensor.is_contiguous():
        raise ValueError(f"Expected a contiguous tensor, got strides {tensor.strides} for shape {tensor.shape}")
    shape = tensor.shape
    memory = (ctypes.c_float * prod(shape)).from_address(tensor.data_ptr())
    return np.frombuffer(memory, np.float32).reshape(shape)


def require_cpu(*tensors: paddle.Tensor) -> None:
    """Raise ValueError if one of `tensors` is not in the memory of the CPU."""
    for tensor in tensors:
        if not tensor.place.is_cpu_place():
            raise ValueError(f"Expected tensors on the CPU, got one on {tensor.place}: move it there with `.cpu()`.")


def place_of(net: nn.Layer):
    """Return the place of the weights of `net`; that of the current device for a network without weights."""
    weight = next(iter(net.parameters()), None)
    return paddle.empty([1]).place if weight is None else weight.place


@numba.njit(inline="always")
def copy_line(source, target):
    """Copy `target.size` values; in Numba `target[:] = source` takes four times as long."""
    for k in range(target.size):
        target[k] = source[k]
