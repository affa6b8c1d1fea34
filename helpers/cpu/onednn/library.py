"""The part of oneDNN's C interface, version 3, that the course calls.

The library is part of Paddle's wheel. Names are those of its documentation, https://uxlfoundation.github.io/oneDNN/
(Basic Concepts; Memory Format Propagation; Reorder). A primitive is compiled for one shape on one machine and then
executed with arrays.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable
from ctypes import byref, c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import lru_cache
from pathlib import Path

import numpy as np
import paddle

# From dnnl_types.h and dnnl_common_types.h
_CPU, _IN_ORDER, _FLOAT32 = 1, 1, 3  # dnnl_engine_kind_t, dnnl_stream_flags_t, dnnl_data_type_t
_ANY, _PLAIN, _CHANNELS_LAST = 1, {4: 5, 5: 6}, 22  # dnnl_format_tag_t: any; abcd and abcde; acdb
_MAX_RANK = 12  # DNNL_MAX_NDIMS
_ARGUMENT = {"src": 1, "dst": 17, "weights": 33, "diff_src": 129, "diff_dst": 145, "diff_weights": 161}  # DNNL_ARG_*
_IMPLEMENTATION = 8  # dnnl_query_impl_info_str
_QUERY = {"src": 129, "weights": 131, "diff_weights": 132, "dst": 133}  # dnnl_query_t

_CACHE_LINE = 64  # bytes

# Primitives are compiled once and shared by all threads. Each execution points their memory objects at other arrays, so
# only one thread may use oneDNN at a time.
lock = threading.RLock()


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
    """Return whether this build of Paddle ships oneDNN."""
    return _library() is not None


def require() -> None:
    """Raise RuntimeError unless this build of Paddle ships oneDNN."""
    if not available():
        folder = Path(paddle.__file__).parent / "libs"
        raise RuntimeError(f"Expected oneDNN (libdnnl.so.3) in {folder}, found none: install a Paddle that ships it.")


class Buffer:
    """Uninitialised memory aligned to cache lines, as oneDNN prefers it; much faster to allocate than a tensor."""

    __slots__ = ("_address", "_memory")

    def __init__(self, size: int):
        """Allocate `size` bytes."""
        self._memory = np.empty(size + _CACHE_LINE, np.uint8)
        address = self._memory.__array_interface__["data"][0]
        self._address = address + -address % _CACHE_LINE

    def data_ptr(self) -> int:
        """Return the address of the first byte, as `paddle.Tensor.data_ptr` does."""
        return self._address


Array = Buffer | paddle.Tensor  # contiguous float32


class MemoryDescriptor:
    """Shape and memory format of a float32 array."""

    def __init__(self, handle: c_void_p):
        self._as_parameter_ = handle  # ctypes passes this on
        self._size = _library().dnnl_memory_desc_get_size(handle)

    def allocate(self) -> Buffer:
        """Allocate an array of this format."""
        return Buffer(self._size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemoryDescriptor) and bool(_library().dnnl_memory_desc_equal(self, other))

    __hash__ = None


class Primitive:
    """A compiled operation. Call it with one array per argument, each of the format that it was compiled for."""

    def __init__(self, primitive_descriptor: c_void_p, arguments: dict[str, MemoryDescriptor]):
        self._handle = c_void_p()
        _call("dnnl_primitive_create", byref(self._handle), primitive_descriptor)
        self._memories = {name: _memory(descriptor) for name, descriptor in arguments.items()}
        entries = (_Argument(_ARGUMENT[name], memory) for name, memory in self._memories.items())
        self._arguments = (_Argument * len(arguments))(*entries)
        self._set_data_handle = _library().dnnl_memory_set_data_handle
        self._execute = _library().dnnl_primitive_execute

    def __call__(self, **arrays: Array) -> None:
        for name, array in arrays.items():
            self._set_data_handle(self._memories[name], c_void_p(array.data_ptr()))
        _check("dnnl_primitive_execute", self._execute(self._handle, _stream(), len(self._arguments), self._arguments))


class Reorder:
    """Copy an array from one memory format to another; pass it on as it is where both are equal."""

    def __init__(self, src: MemoryDescriptor, dst: MemoryDescriptor):
        self._dst, self._primitive = dst, None
        if src != dst:
            descriptor = c_void_p()
            _call("dnnl_reorder_primitive_desc_create", byref(descriptor), src, _engine(), dst, _engine(), None)
            self._primitive = Primitive(descriptor, {"src": src, "dst": dst})

    @property
    def is_identity(self) -> bool:
        """Whether both formats are equal."""
        return self._primitive is None

    def __call__(self, array: Array) -> Array:
        return array if self.is_identity else self.into(array, self._dst.allocate())

    def into(self, array: Array, reordered: Array) -> Array:
        """Write to `reordered` and return it; the formats must differ."""
        self._primitive(src=array, dst=reordered)
        return reordered


class Output:
    """Return what a primitive has written as a tensor of Paddle: it writes to `allocate()`, `tensor()` reorders that.

    Where oneDNN's memory format is Paddle's, the primitive writes to the tensor itself.
    """

    def __init__(self, descriptor: MemoryDescriptor, shape: tuple[int, ...], dims: tuple[int, ...] | None = None):
        """`shape` of the tensor; `dims`: its shape in oneDNN, if that differs."""
        self._descriptor, self._shape = descriptor, list(shape)
        self._reorder = Reorder(descriptor, plain(dims or shape))

    def allocate(self) -> Array:
        """Allocate the array that the primitive writes to."""
        return self._empty() if self._reorder.is_identity else self._descriptor.allocate()

    def tensor(self, array: Array) -> paddle.Tensor:
        """Return the array from `allocate` as a tensor."""
        return array if self._reorder.is_identity else self._reorder.into(array, self._empty())

    def _empty(self) -> paddle.Tensor:
        # As `paddle.empty`, without its checks, which take longer than all the rest.
        return paddle._C_ops.empty(self._shape, paddle.float32, paddle.CPUPlace())


class _Argument(ctypes.Structure):
    _fields_ = (("index", c_int), ("memory", c_void_p))


def _memory(descriptor: MemoryDescriptor) -> c_void_p:
    memory = c_void_p()
    _call("dnnl_memory_create", byref(memory), descriptor, _engine(), None)
    return memory


def primitive_descriptor(operation: str, *arguments) -> c_void_p:
    """Call `dnnl_<operation>_primitive_desc_create` and return the primitive descriptor."""
    descriptor = c_void_p()
    _call(f"dnnl_{operation}_primitive_desc_create", byref(descriptor), _engine(), *arguments)
    return descriptor


def is_reference(descriptor: c_void_p) -> bool:
    """Return whether oneDNN has only its reference implementation for a primitive, plain loops that are far slower."""
    name = c_char_p()
    _call("dnnl_primitive_desc_query", descriptor, _IMPLEMENTATION, 0, byref(name))
    return b"ref" in name.value.split(b":")  # such as "ref:any"; others are "jit:avx2", "brgconv:avx512_core"


def query(descriptor: c_void_p, argument: str) -> MemoryDescriptor:
    """Return the memory descriptor that a primitive descriptor has chosen for an argument."""
    return MemoryDescriptor(c_void_p(_library().dnnl_primitive_desc_query_md(descriptor, _QUERY[argument], 0)))


def any_format(shape: Iterable[int]) -> MemoryDescriptor:
    """float32 of this shape in a format that the primitive chooses."""
    return _with_tag(shape, _ANY)


def plain(shape: Iterable[int]) -> MemoryDescriptor:
    """float32 of this shape, row-major as in Paddle; 4 or 5 axes."""
    shape = tuple(shape)
    return _with_tag(shape, _PLAIN[len(shape)])


def channels_last(shape: Iterable[int]) -> MemoryDescriptor:
    """float32 (N, C, H, W), stored as (N, H, W, C)."""
    return _with_tag(shape, _CHANNELS_LAST)


def _with_tag(shape: Iterable[int], tag: int) -> MemoryDescriptor:
    handle, shape = c_void_p(), tuple(shape)
    _call("dnnl_memory_desc_create_with_tag", byref(handle), len(shape), dims(shape), _FLOAT32, tag)
    return MemoryDescriptor(handle)


def dims(values: Iterable[int]) -> ctypes.Array:
    """Return the values as `dnnl_dims_t`: int64, padded with zeros to the highest rank."""
    return (c_int64 * _MAX_RANK)(*values)


@lru_cache(maxsize=1)
def _engine() -> c_void_p:
    engine = c_void_p()
    _call("dnnl_engine_create", byref(engine), _CPU, c_size_t(0))
    return engine


@lru_cache(maxsize=1)
def _stream() -> c_void_p:
    stream = c_void_p()
    _call("dnnl_stream_create", byref(stream), _engine(), _IN_ORDER)
    return stream


def _call(name: str, *arguments) -> None:
    _check(name, getattr(_library(), name)(*arguments))


def _check(name: str, status: int) -> None:
    if status:
        raise RuntimeError(f"oneDNN: {name} failed with status {status} (dnnl_status_t).")
