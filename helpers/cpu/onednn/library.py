"""oneDNN's C interface, version 3, as far as this course calls it.

The library lies in Paddle's wheel. Its documentation: https://uxlfoundation.github.io/oneDNN/ (Basic Concepts; Memory
Format Propagation; Reorder). A primitive is compiled for one shape on one machine and then called with numbers.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable
from ctypes import byref, c_int, c_int64, c_size_t, c_void_p
from functools import lru_cache
from pathlib import Path

import numpy as np
import paddle

# From dnnl_types.h and dnnl_common_types.h
_CPU, _IN_ORDER, _FLOAT32 = 1, 1, 3
_ANY, _PLAIN, _CHANNELS_LAST = 1, {4: 5, 5: 6}, 22  # any; abcd, abcde; acdb
_MAX_RANK = 12
_ARGUMENT = {"source": 1, "target": 17, "weights": 33, "to_source": 129, "to_target": 145, "to_weights": 161}
_QUERY = {"source": 129, "weights": 131, "to_weights": 132, "target": 133}

_LINE = 64  # bytes of a line of the cache

turn = threading.RLock()  # one call at a time: the memories of a primitive are pointed at other numbers for each


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    path = Path(paddle.__file__).parent / "libs" / "libdnnl.so.3"
    if not path.exists():
        return None
    library = ctypes.CDLL(str(path))
    library.dnnl_primitive_desc_query_md.restype = c_void_p
    library.dnnl_memory_desc_get_size.restype = c_size_t
    return library


def available() -> bool:
    """Whether this Paddle brings oneDNN."""
    return _library() is not None


def require() -> None:
    """Raise RuntimeError when this Paddle does not bring oneDNN."""
    if not available():
        raise RuntimeError(f"no oneDNN was found beside Paddle in {Path(paddle.__file__).parent / 'libs'}")


class Buffer:
    """float32 (count,) in memory that Paddle never sees, where oneDNN likes it; much quicker than `paddle.empty`."""

    __slots__ = ("_address", "_memory", "values")

    def __init__(self, count: int):
        self._memory = np.empty(count + _LINE // 4, np.float32)
        address = self._memory.__array_interface__["data"][0]
        skipped = -address % _LINE // 4
        self._address = address + 4 * skipped
        self.values = self._memory[skipped : skipped + count]

    def data_ptr(self) -> int:
        """Where it begins, as `paddle.Tensor` tells it."""
        return self._address


Numbers = Buffer | paddle.Tensor  # float32, contiguous


class Layout:
    """How float32 numbers of a shape lie in memory: oneDNN's memory descriptor."""

    def __init__(self, handle: c_void_p):
        self._as_parameter_ = handle  # what ctypes passes on
        self._count = -(-_library().dnnl_memory_desc_get_size(handle) // 4)

    def empty(self) -> Buffer:
        """A place for the numbers."""
        return Buffer(self._count)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and bool(_library().dnnl_memory_desc_equal(self, other))

    __hash__ = None


class Primitive:
    """A compiled operation. Call it with the numbers of each argument, in the layout that it was made for."""

    def __init__(self, description: c_void_p, layouts: dict[str, Layout]):
        self._handle = c_void_p()
        call("dnnl_primitive_create", byref(self._handle), description)
        self._memories = {name: _memory(layout) for name, layout in layouts.items()}
        entries = (_Argument(_ARGUMENT[name], memory) for name, memory in self._memories.items())
        self._arguments = (_Argument * len(layouts))(*entries)
        self._point, self._execute = _library().dnnl_memory_set_data_handle, _library().dnnl_primitive_execute

    def __call__(self, **numbers: Numbers) -> None:
        for name, values in numbers.items():
            self._point(self._memories[name], c_void_p(values.data_ptr()))
        status = self._execute(self._handle, _stream(), len(self._arguments), self._arguments)
        if status:
            raise RuntimeError(f"oneDNN: a primitive ended with status {status} (dnnl_status_t)")


class Rearrange:
    """From one layout of the same numbers to another; nothing happens where they are the same."""

    def __init__(self, here: Layout, there: Layout):
        self._there, self._primitive = there, None
        if here != there:
            description = c_void_p()
            call("dnnl_reorder_primitive_desc_create", byref(description), here, engine(), there, engine(), None)
            self._primitive = Primitive(description, {"source": here, "target": there})

    def __call__(self, numbers: Numbers) -> Numbers:
        """The numbers rearranged: a new array, or what came."""
        if self._primitive is None:
            return numbers
        result = self._there.empty()
        self.into(numbers, result)
        return result

    def into(self, numbers: Numbers, result: Numbers) -> None:
        """Write the numbers to `result`, rearranged."""
        self._primitive(source=numbers, target=result)


def tensor(shape: list[int]) -> paddle.Tensor:
    """What `paddle.empty` gives, float32 on the CPU, without its checks, which take longer than all the rest."""
    return paddle._C_ops.empty(shape, paddle.float32, paddle.CPUPlace())


class Delivery:
    """From a layout to a tensor of Paddle: an operation writes to `place`, and `tensor` is what comes of it."""

    def __init__(self, here: Layout, shape: tuple[int, ...], as_seen: tuple[int, ...] | None = None):
        """`as_seen`: the same shape as oneDNN counts it, where that differs."""
        there = plain(as_seen or shape)
        self._here, self._shape = here, list(shape)
        self._rearrange = None if here == there else Rearrange(here, there)

    def place(self) -> Numbers:
        """The tensor itself, if oneDNN writes as Paddle reads; else an array."""
        return self._here.empty() if self._rearrange else tensor(self._shape)

    def tensor(self, numbers: Numbers) -> paddle.Tensor:
        """The tensor, once something was written to the place."""
        if self._rearrange is None:
            return numbers
        result = tensor(self._shape)
        self._rearrange.into(numbers, result)
        return result


class _Argument(ctypes.Structure):
    _fields_ = (("number", c_int), ("memory", c_void_p))


def _memory(layout: Layout) -> c_void_p:
    memory = c_void_p()
    call("dnnl_memory_create", byref(memory), layout, engine(), None)
    return memory


def queried(description: c_void_p, name: str) -> Layout:
    """The layout that a described operation has chosen for an argument."""
    return Layout(c_void_p(_library().dnnl_primitive_desc_query_md(description, _QUERY[name], 0)))


def described(operation: str, *arguments) -> c_void_p:
    """The description of an operation: `dnnl_<operation>_primitive_desc_create`."""
    description = c_void_p()
    call(f"dnnl_{operation}_primitive_desc_create", byref(description), engine(), *arguments)
    return description


def any_layout(shape: Iterable[int]) -> Layout:
    """float32 of this shape, in the layout that the operation likes best."""
    return _tagged(shape, _ANY)


def plain(shape: Iterable[int]) -> Layout:
    """float32 of this shape, the last axis innermost, as Paddle has it."""
    shape = tuple(shape)
    return _tagged(shape, _PLAIN[len(shape)])


def channels_last(shape: Iterable[int]) -> Layout:
    """float32 (N, C, H, W) with the channels innermost."""
    return _tagged(shape, _CHANNELS_LAST)


def _tagged(shape: Iterable[int], tag: int) -> Layout:
    handle, shape = c_void_p(), tuple(shape)
    call("dnnl_memory_desc_create_with_tag", byref(handle), len(shape), lengths(shape), _FLOAT32, tag)
    return Layout(handle)


def lengths(values: Iterable[int]):
    """Numbers as oneDNN takes them: int64, of the highest rank that there is."""
    return (c_int64 * _MAX_RANK)(*values)


@lru_cache(maxsize=1)
def engine() -> c_void_p:
    """oneDNN on this CPU."""
    created = c_void_p()
    call("dnnl_engine_create", byref(created), _CPU, c_size_t(0))
    return created


@lru_cache(maxsize=1)
def _stream() -> c_void_p:
    stream = c_void_p()
    call("dnnl_stream_create", byref(stream), engine(), _IN_ORDER)
    return stream


def call(name: str, *arguments) -> None:
    """Call a function of the library; RuntimeError with its name when it does not end well."""
    status = getattr(_library(), name)(*arguments)
    if status:
        raise RuntimeError(f"oneDNN: {name} ended with status {status} (dnnl_status_t)")
