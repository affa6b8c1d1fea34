"""Turn the ONNX export of a Paddle network into a PyTorch module that can be trained.

Only the operators of the course's exports are known. The size of the images is fixed by the export, the size of the
batch is not. Needs PyTorch, onnx and NumPy, but not Paddle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

_COPIED = re.compile(r"(_deepcopy_\d+)+$")  # Paddle appends this to the names of copied tensors
_MOMENTUM = 0.1  # of batch norm's statistics; Paddle's 0.9 is the weight of the old value


class Graph(nn.Module):
    """The network in an ONNX file: float32 (N, 3, H, W) to logits (N, classes, h, w).

    `tensors` maps each name of the Paddle network's state dict to the name of its tensor in the file. Weights become
    parameters and statistics of batch norm become buffers, each named after its key in the state dict, with "/" for
    "." (PyTorch does not allow dots). Keys whose tensors are not in the file, such as auxiliary heads, are left out.
    Raises NotImplementedError for an unknown operator.
    """

    def __init__(self, path: str | Path, tensors: Mapping[str, str]):
        super().__init__()
        graph = onnx.load(str(path)).graph
        self.size_hw = tuple(dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim[2:])
        self._input, self._output = graph.input[0].name, graph.output[0].name
        self._keys = {name: key for key, name in tensors.items()}
        self._places: dict[str, str] = {}  # tensor in the file -> attribute of this module
        self._constants: dict[str, np.ndarray] = {}  # not trained: shapes, axes, matrices
        self._steps: list[tuple[Callable[..., Tensor], list[str], str]] = []
        self._statistics = {
            name for node in graph.node if node.op_type == "BatchNormalization" for name in node.input[3:]
        }
        for initializer in graph.initializer:
            self._add_constant(initializer.name, numpy_helper.to_array(initializer))
        self.eval()
        values = {self._input: torch.zeros(1, 3, *self.size_hw)}
        with torch.no_grad():
            for node in graph.node:
                self._add(node, values)
        self.train()

    def forward(self, x: Tensor) -> Tensor:
        values = {self._input: x}
        for function, inputs, output in self._steps:
            values[output] = function(*(self._value(name, values) for name in inputs))
        return values[self._output]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all weights and statistics, float32, by their names in the Paddle network's state dict."""
        return {
            name.replace("/", "."): value.detach().float().cpu().numpy() for name, value in self.state_dict().items()
        }

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor:
        return values[name] if name in values else getattr(self, self._places[name])

    def _add_constant(self, name: str, array: np.ndarray) -> None:
        key = self._keys.get(_COPIED.sub("", name))
        if key is None:
            self._constants[name] = array
            return
        place = self._places[name] = key.replace(".", "/")
        value = torch.from_numpy(np.array(array, np.float32))
        if name in self._statistics:
            self.register_buffer(place, value)
        else:
            self.register_parameter(place, nn.Parameter(value))

    def _add(self, node: onnx.NodeProto, values: dict[str, Tensor]) -> None:
        """Fold the node if no pixel and no weight enters it; else append it to the steps and run it once."""
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        inputs, output = [name for name in node.input if name], node.output[0]
        if node.op_type == "Constant":
            self._add_constant(output, numpy_helper.to_array(attributes["value"]))
        elif node.op_type == "Shape":
            self._constants[output] = np.array(values[inputs[0]].shape, np.int64)
        elif all(name in self._constants for name in inputs):
            feeds = {name: self._constants[name] for name in inputs}
            self._constants[output] = ReferenceEvaluator(node).run(None, feeds)[0]
        elif node.op_type not in _OPERATORS:
            raise NotImplementedError(f"{node.op_type} ({node.name}): add it to {__name__}")
        else:
            function, arity = _OPERATORS[node.op_type]
            operands = list(node.input) if arity is None else [name for name in node.input[:arity] if name]
            for name in operands:
                if name in self._constants:  # a matrix: a buffer, so that it moves to the GPU with the module
                    self._places[name] = f"constant_{len(self._places)}"
                    matrix = torch.from_numpy(np.array(self._constants[name], np.float32))
                    self.register_buffer(self._places[name], matrix, persistent=False)
            first = self._value(operands[0], values)
            rest = [self._constants.get(name) for name in node.input[len(operands) :]]
            step = function(self, attributes, tuple(first.shape), rest)
            self._steps.append((step, operands, output))
            values[output] = step(*(self._value(name, values) for name in operands))


def _convolution(graph: Graph, attributes: dict, shape: tuple[int, ...], rest: list) -> Callable[..., Tensor]:
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if attributes.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
        # An odd rest of the padding is put below and on the right: at stride 2, usually all of it.
        pads = [
            max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            for size, stride, kernel, dilation in zip(
                shape[2:], strides, attributes["kernel_shape"], dilations, strict=True
            )
        ]
        (top, left), (bottom, right) = (pad // 2 for pad in pads), (pad - pad // 2 for pad in pads)
    options = {"stride": tuple(strides), "dilation": tuple(dilations), "groups": attributes.get("group", 1)}
    if (top, left) == (bottom, right):
        return lambda x, weight, bias=None: F.conv2d(x, weight, bias, padding=(top, left), **options)
    return lambda x, weight, bias=None: F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, **options)


def _batch_norm(graph: Graph, attributes: dict, shape: tuple[int, ...], rest: list) -> Callable[..., Tensor]:
    epsilon = attributes.get("epsilon", 1e-5)

    def normalise(x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return F.batch_norm(x, mean, variance, scale, shift, graph.training, _MOMENTUM, epsilon)

    return normalise


def _resize(graph: Graph, attributes: dict, shape: tuple[int, ...], rest: list) -> Callable[..., Tensor]:
    if attributes["mode"] != b"linear" or rest[-1] is None or rest[-1].size != 4:
        raise NotImplementedError("Resize is known for mode linear and given sizes")
    size = tuple(int(each) for each in rest[-1][2:])
    corners = attributes.get("coordinate_transformation_mode") == b"align_corners"
    return lambda x: F.interpolate(x, size=size, mode="bilinear", align_corners=corners)


def _average_pool(graph: Graph, attributes: dict, shape: tuple[int, ...], rest: list) -> Callable[..., Tensor]:
    # U-HRNet halves its channels by pooling them: (N, 1, C, H, W) with a kernel of (2, 1, 1).
    pool = {2: F.avg_pool2d, 3: F.avg_pool3d}[len(attributes["kernel_shape"])]
    if any(attributes.get("pads", [0])):
        raise NotImplementedError("AveragePool is known without padding")
    return lambda x: pool(x, tuple(attributes["kernel_shape"]), tuple(attributes["strides"]))


def _reshape(graph: Graph, attributes: dict, shape: tuple[int, ...], rest: list) -> Callable[..., Tensor]:
    if len(shape) != 1:  # of images, the batch would be fixed
        raise NotImplementedError("Reshape is known for biases only")
    return lambda bias: bias.reshape([int(each) for each in rest[0]])


# How each operator is built, and how many of its inputs are tensors (None: all); the others are constants.
_OPERATORS: dict[str, tuple[Callable[..., Callable[..., Tensor]], int | None]] = {
    "Add": (lambda *_: torch.add, None),
    "AveragePool": (_average_pool, 1),
    "BatchNormalization": (_batch_norm, None),
    "Concat": (lambda graph, attributes, *_: lambda *maps: torch.cat(maps, attributes["axis"]), None),
    "Conv": (_convolution, None),
    "Identity": (lambda *_: lambda x: x, None),
    "MatMul": (lambda *_: torch.matmul, None),
    "Relu": (lambda *_: F.relu, None),
    "Reshape": (_reshape, 1),
    "Resize": (_resize, 1),
    "Squeeze": (lambda graph, attributes, shape, rest: lambda x: x.squeeze(int(rest[0][0])), 1),
    "Unsqueeze": (lambda graph, attributes, shape, rest: lambda x: x.unsqueeze(int(rest[0][0])), 1),
}
