"""Read .pdparams files without executing what a pickle can ask for.

`paddle.save` writes a state dict as a pickle, and unpickling it with `paddle.load` calls any function that the file
names. Here a file may name a dozen globals only, and none of them is resolved: stand-ins build plain containers, and
arrays from their bytes.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from helpers.common.errors import CourseError

_NAMES = "StructuredToParameterName@@"  # by paddle.save: the names of the parameters in a static graph
_SLICES = "UnpackBigParamInfor@@"  # by paddle.save at protocols 2 and 3, which cut arrays above 1 GiB into slices
LFS = b"version https://git-lfs"
_AGAIN = "fetch it again, or save it with `paddle.save(net.state_dict(), path)`"


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Return the state dict that `paddle.save` wrote to `path` (Paddle 2.0 to 3.2, pickle protocols 2 to 4).

    Raises CourseError if the file is empty, cut, a Git-LFS pointer or not a state dict, or if it names a function that
    a state dict does not need.
    """
    with open(path, "rb") as file:
        return read(file, str(path))


def read(file: BinaryIO, origin: str) -> dict[str, np.ndarray]:
    """Read an open, seekable file as `load` does; `origin` names it in messages."""
    content = _unpickle(file, origin)
    if not isinstance(content, dict):
        raise CourseError(f"{origin} holds a {type(content).__name__}, expected a dict of tensors: {_AGAIN}.")
    slices = content.pop(_SLICES, {})
    content.pop(_NAMES, None)
    state = {name: _values(name, value, origin) for name, value in content.items()}
    try:
        for name, description in slices.items():
            parts = [state.pop(part) for part in description["slices"]]
            state[name] = np.concatenate(parts).reshape(description["OriginShape"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CourseError(f"{origin} lacks a slice of a large tensor: {_AGAIN}.") from error
    return state


def _unpickle(file: BinaryIO, origin: str) -> Any:
    start = file.read(len(LFS))
    file.seek(0)
    if not start:
        raise CourseError(f"{origin} is empty: {_AGAIN}.")
    if start == LFS:
        raise CourseError(f"{origin} is a Git-LFS pointer, not the weights: run `git lfs pull`.")
    try:
        return _Unpickler(file, encoding="latin1").load()
    except _Forbidden as error:
        raise CourseError(
            f"{origin} names the function {error}, which weights never need: it may be malicious, delete it."
        ) from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise CourseError(f"{origin} is cut off or not a .pdparams file ({error}): {_AGAIN}.") from error


def _values(name: Any, value: Any, origin: str) -> np.ndarray:
    if type(value) is tuple and len(value) == 2:  # Paddle 2.1 and later in some containers: (parameter's name, values)
        value = value[1]
    if not isinstance(name, str) or not isinstance(value, _Array) or value.values is None:
        kind = "damaged array" if isinstance(value, _Array) else type(value).__name__
        raise CourseError(f"{origin} holds a {kind} under {name!r}, expected a tensor: {_AGAIN}.")
    return value.values


class _Forbidden(pickle.UnpicklingError):
    """The file names a global that has no stand-in."""


class _Dtype:
    """Stands for numpy.dtype: booleans, integers and floats."""

    def __init__(self, code: str, *_: Any):
        if not re.fullmatch("[biuf][1248]", code):
            raise pickle.UnpicklingError(f"the type {code!r} is not a number")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray; `values` is set from shape, type and bytes."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, column_major, raw = state
        raw = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)  # str: written by Python 2
        if min(shape, default=0) < 0 or len(raw) != prod(shape) * kind.dtype.itemsize:
            raise pickle.UnpicklingError(f"{len(raw)} bytes for an array of shape {shape}")
        self.values = np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if column_major else "C")


def _scalar(kind: _Dtype, raw: bytes | str) -> _Array:
    array = _Array()
    array.__setstate__((1, (), kind, False, raw))
    return array


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode("latin1")


def _stand_ins() -> dict[str, Callable]:
    # New functions each time: a pickle may set attributes of what it names.
    stand_ins: dict[str, Callable] = {
        "numpy.ndarray": _Array,
        "numpy.dtype": _Dtype,
        "_codecs.encode": lambda *arguments: _bytes(*arguments),  # bytes at protocol 2
        "collections.OrderedDict": dict,
        "__builtin__.bytes": lambda: b"",  # an empty array at protocol 2
        "builtins.tuple": tuple,
        "__builtin__.tuple": tuple,
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1 and 2
        stand_ins[f"{module}._reconstruct"] = lambda *_: _Array()
        stand_ins[f"{module}.scalar"] = lambda *arguments: _scalar(*arguments)
    return stand_ins


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable:
        stand_in = _stand_ins().get(f"{module}.{name}")
        if stand_in is None:
            raise _Forbidden(f"{module}.{name}")
        return stand_in
