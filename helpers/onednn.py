"""Convolutions with their gradients by oneDNN, for training on a CPU.

Paddle's eager kernels (3.2.2) copy the pixels under a filter into a matrix, on one thread and picture by picture; and
`FLAGS_use_mkldnn` does not lead them to oneDNN. Its library lies in Paddle's wheel all the same, with kernels that are
compiled for one shape on one machine. This file calls them through oneDNN's C interface, version 3:
https://uxlfoundation.github.io/oneDNN/ (Convolution; Reorder; dev_guide_understanding_memory_formats).

oneDNN is quickest where channels are stored together, so maps and filters are rearranged on the way in and out.
"""

from __future__ import annotations

import ctypes
import threading
from ctypes import byref, c_int, c_int64, c_size_t, c_void_p
from functools import cached_property, lru_cache
from pathlib import Path

import paddle
from paddle import nn

from helpers.kernels import wanted

# From oneDNN's dnnl_types.h and dnnl_common_types.h
_CPU, _IN_ORDER, _FLOAT32, _ANY_FORMAT = 1, 1, 3, 1
_FORWARD_TRAINING, _DIRECT = 64, 1
_QUERY = {"source": 129, "to_source": 130, "weights": 131, "to_weights": 132, "target": 133, "to_target": 134}
_ARGUMENT = {"source": 1, "target": 17, "weights": 33, "to_source": 129, "to_target": 145, "to_weights": 161}
_FROM, _TO = _ARGUMENT["source"], _ARGUMENT["target"]
_MAX_RANK = 12

_turn = threading.Lock()  # the memory objects below are pointed at new numbers at each call


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


def fits(layer: nn.Layer) -> bool:
    """Whether `conv2d` can stand in for this layer: a convolution with zeros around its input, or nothing."""
    return (
        isinstance(layer, nn.Conv2D)
        and layer._padding_mode == "zeros"
        and layer._data_format == "NCHW"
        and _known_padding(layer)
        and available()
    )


def _known_padding(layer: nn.Conv2D) -> bool:
    if layer._padding == "same":
        return _pair(layer._dilation) == (1, 1)  # Paddle forgets any other
    return [type(length) for length in _pair(layer._padding)] == [int, int]


def conv2d(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    stride: int | list[int] = 1,
    padding: int | list[int] | str = 0,
    dilation: int | list[int] = 1,
    groups: int = 1,
) -> paddle.Tensor:
    """Convolve x (N, C, H, W) float32 with weight (O, C / groups, kh, kw); equals `nn.functional.conv2d`.

    Numbers mean the same as there; "same" is as in TensorFlow, where an uneven rest of padding goes behind.
    Raises RuntimeError when this Paddle does not bring oneDNN, or oneDNN refuses the shapes.
    """
    if not available():
        raise RuntimeError(f"no oneDNN was found beside Paddle in {Path(paddle.__file__).parent / 'libs'}")
    stride, dilation = _pair(stride), _pair(dilation)
    if padding == "same":
        extents = zip(x.shape[2:], weight.shape[2:], stride, dilation, strict=True)
        pads = tuple(_same(*extent) for extent in extents)
    else:
        pads = tuple((length, length) for length in _pair(padding))
    return _Convolve.apply(x, weight, _compiled(tuple(x.shape), tuple(weight.shape), stride, pads, dilation, groups))


def _pair(value: int | list[int]) -> tuple:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


def _same(length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    missing = max(0, (-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length)
    return missing // 2, missing - missing // 2


class _Convolve(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x: paddle.Tensor, weight: paddle.Tensor, compiled: _Convolution) -> paddle.Tensor:
        ctx.wanted = not x.stop_gradient, not weight.stop_gradient
        ctx.save_for_backward(weight)
        ctx.compiled = compiled
        y, ctx.source = compiled.forward(x.contiguous(), weight)
        return y

    @staticmethod
    def backward(ctx, upstream: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:
        (weight,) = ctx.saved_tensor()
        return wanted(ctx.compiled.backward(ctx.source, weight, upstream.contiguous(), ctx.wanted), ctx.wanted)


@lru_cache(maxsize=1024)
def _compiled(*geometry) -> _Convolution:
    return _Convolution(*geometry)


class _Convolution:
    """One convolution of certain shapes, compiled: its result, and the gradients once they are asked for."""

    def __init__(self, x_shape, weight_shape, stride, pads, dilation, groups):
        n, channels, *size = x_shape
        filters, _, *kernel = weight_shape
        lengths = zip(size, kernel, stride, pads, dilation, strict=True)
        out = [(length + sum(pad) - (k - 1) * d - 1) // s + 1 for length, k, s, pad, d in lengths]
        self.shapes = {"source": x_shape, "weights": weight_shape, "target": (n, filters, *out)}
        grouped = (groups, filters // groups, channels // groups, *kernel) if groups > 1 else weight_shape
        self.plain = {"source": _plain(x_shape), "weights": _plain(grouped), "target": _plain(self.shapes["target"])}
        dense = groups == 1
        if dense and tuple(kernel) == tuple(stride) == (1, 1) and pads == ((0, 0), (0, 0)):
            arrange = _plain  # a product of matrices as they are
        elif dense and (channels % 16 or filters % 16):
            arrange = _channels_last  # blocks of 16 channels would be filled up with zeros
        else:
            arrange = _any
        self._geometry = (
            _lengths(stride),
            _lengths(d - 1 for d in dilation),
            _lengths(before for before, _ in pads),
            _lengths(after for _, after in pads),
        )
        self._any_weights = _any(grouped)
        self._hint = c_void_p()
        _call(
            "dnnl_convolution_forward_primitive_desc_create", byref(self._hint), _engine(), _FORWARD_TRAINING, _DIRECT,
            arrange(x_shape), self._any_weights, None, arrange(self.shapes["target"]), *self._geometry, None,
        )  # fmt: skip
        self._forward = _Primitive(self._hint)
        # The gradients take maps in the arrangement that the forward pass likes.
        self._source, self._target = (_queried(self._hint, _QUERY[name]) for name in ("source", "target"))
        self._in = self._rearranged("source", self._source)
        self._weights = self._rearranged("weights", _queried(self._hint, _QUERY["weights"]))
        self._out = _Rearrange(self._target, self.plain["target"])
        self._to_target = self._rearranged("target", self._target)

    def _rearranged(self, name: str, there) -> _Rearrange:
        return _Rearrange(self.plain[name], there)

    @cached_property
    def _to_source(self) -> tuple[_Primitive, _Rearrange, _Rearrange]:
        description = c_void_p()
        _call(
            "dnnl_convolution_backward_data_primitive_desc_create", byref(description), _engine(), _DIRECT,
            self._source, self._any_weights, self._target, *self._geometry, self._hint, None,
        )  # fmt: skip
        weights = self._rearranged("weights", _queried(description, _QUERY["weights"]))
        return _Primitive(description), weights, _Rearrange(self._source, self.plain["source"])

    @cached_property
    def _to_weights(self) -> tuple[_Primitive, _Rearrange]:
        description = c_void_p()
        _call(
            "dnnl_convolution_backward_weights_primitive_desc_create", byref(description), _engine(), _DIRECT,
            self._source, self._any_weights, None, self._target, *self._geometry, self._hint, None,
        )  # fmt: skip
        there = _queried(description, _QUERY["to_weights"])
        return _Primitive(description), _Rearrange(there, self.plain["weights"])

    def forward(self, x: paddle.Tensor, weight: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """The convolution, and x as the gradients want it."""
        with _turn:
            source = self._in(x)
            target = self._out.empty_source(self.shapes["target"])
            self._forward(source=source, weights=self._weights(weight), target=target)
            return self._out(target, self.shapes["target"]), source

    def backward(
        self, source: paddle.Tensor, weight: paddle.Tensor, upstream: paddle.Tensor, which: tuple[bool, bool]
    ) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
        """The gradients for x and weight, of those that `which` names."""
        to_x = to_weight = None
        with _turn:
            to_target = self._to_target(upstream)
            if which[0]:
                primitive, rearrange, back = self._to_source
                here = back.empty_source(self.shapes["source"])
                primitive(to_target=to_target, weights=rearrange(weight), to_source=here)
                to_x = back(here, self.shapes["source"])
            if which[1]:
                primitive, back = self._to_weights
                here = back.empty_source(self.shapes["weights"])
                primitive(source=source, to_target=to_target, to_weights=here)
                to_weight = back(here, self.shapes["weights"])
        return to_x, to_weight


class _Primitive:
    """An operation of oneDNN; call it with one tensor for each argument, in the arrangement that it asks for."""

    def __init__(self, description: c_void_p):
        self._handle = c_void_p()
        self._description = description
        self._memories: dict[str, c_void_p] = {}
        _call("dnnl_primitive_create", byref(self._handle), description)

    def __call__(self, **tensors: paddle.Tensor) -> None:
        if not self._memories:
            self._memories = {name: _memory(_queried(self._description, _QUERY[name])) for name in tensors}
            self._arguments = _arguments({_ARGUMENT[name]: memory for name, memory in self._memories.items()})
        for name, tensor in tensors.items():
            _point(self._memories[name], tensor)
        _call("dnnl_primitive_execute", self._handle, _stream(), len(self._arguments), self._arguments)


class _Rearrange:
    """From one arrangement of the same numbers to another; nothing happens where they are the same."""

    def __init__(self, here: c_void_p, there: c_void_p):
        self._same = bool(_library().dnnl_memory_desc_equal(here, there))
        self._sizes = [_library().dnnl_memory_desc_get_size(each) // 4 for each in (here, there)]
        if self._same:
            return
        description, self._handle = c_void_p(), c_void_p()
        _call("dnnl_reorder_primitive_desc_create", byref(description), here, _engine(), there, _engine(), None)
        _call("dnnl_primitive_create", byref(self._handle), description)
        self._memories = _memory(here), _memory(there)
        self._arguments = _arguments(dict(zip((_FROM, _TO), self._memories, strict=True)))

    def empty_source(self, shape: tuple[int, ...]) -> paddle.Tensor:
        """A place for what is to be rearranged; of `shape`, when it is to stay as it is."""
        return paddle.empty(shape if self._same else [self._sizes[0]])

    def __call__(self, tensor: paddle.Tensor, shape: tuple[int, ...] | None = None) -> paddle.Tensor:
        if self._same:
            return tensor
        result = paddle.empty(shape or [self._sizes[1]])
        for memory, each in zip(self._memories, (tensor, result), strict=True):
            _point(memory, each)
        _call("dnnl_primitive_execute", self._handle, _stream(), 2, self._arguments)
        return result


class _Argument(ctypes.Structure):
    _fields_ = (("number", c_int), ("memory", c_void_p))


def _arguments(memories: dict[int, c_void_p]):
    return (_Argument * len(memories))(*(_Argument(number, memory) for number, memory in memories.items()))


def _memory(description: c_void_p) -> c_void_p:
    memory = c_void_p()
    _call("dnnl_memory_create", byref(memory), description, _engine(), None)
    return memory


def _point(memory: c_void_p, tensor: paddle.Tensor) -> None:
    _call("dnnl_memory_set_data_handle", memory, c_void_p(tensor.data_ptr()))


def _queried(description: c_void_p, what: int) -> c_void_p:
    return c_void_p(_library().dnnl_primitive_desc_query_md(description, what, 0))


def _any(shape) -> c_void_p:
    memory = c_void_p()
    _call("dnnl_memory_desc_create_with_tag", byref(memory), len(shape), _lengths(shape), _FLOAT32, _ANY_FORMAT)
    return memory


def _plain(shape) -> c_void_p:
    return _strided(shape, range(len(shape)))


def _channels_last(shape) -> c_void_p:
    return _strided(shape, (0, 2, 3, 1))


def _strided(shape, order) -> c_void_p:
    # `order`: the axes from the outermost in memory to the innermost
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    memory = c_void_p()
    _call(
        "dnnl_memory_desc_create_with_strides",
        byref(memory), len(shape), _lengths(shape), _FLOAT32, _lengths(strides),
    )  # fmt: skip
    return memory


def _lengths(values):
    values = list(values)
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
    status = getattr(_library(), name)(*arguments)
    if status:
        raise RuntimeError(f"oneDNN: {name} ended with status {status} (dnnl_status_t)")
