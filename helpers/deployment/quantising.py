"""Quantise an exported network to int8 with ONNX Runtime, calibrated on frames."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.common.progress import progress
from helpers.common.runtime import usable_cores
from helpers.cpu import pixels
from helpers.datasets import normalise
from helpers.deployment.exports import Export, add_file
from helpers.deployment.measuring import agreement
from helpers.deployment.onnx import write_onnx
from helpers.deployment.other_engines import onnx_run

_PACKAGES = ("paddle2onnx", "onnx", "onnxruntime", "ml_dtypes")
_LAYERS = ("Conv", "MatMul")  # what computes; ONNX Runtime quantises what lies between two of them, too


@dataclass(frozen=True)
class Layer:
    """A convolution or a product of the ONNX graph: name of the node, and of its trained weight in the network, which
    is that of the next layer if it has none (pooling as a product)."""

    node: str
    weight: str


def missing() -> str | None:
    """Return what this machine lacks for quantising, or None."""
    packages = [name for name in _PACKAGES if find_spec(name) is None]
    return f"needs {' and '.join(packages)}: pip install {' '.join(packages)}" if packages else None


def quantise(net: nn.Layer, folder: str | Path, frames: Sequence[np.ndarray], show: bool = True) -> Quantiser:
    """Add files for int8 to the export of `net` in `folder`, calibrated on `frames`, and return the quantiser.

    `frames` are training frames, uint8 (H, W, 3) of one size. The engines "onnxruntime-int8" and "openvino-int8" then
    run frames of this size; the ONNX file in float32 is added, too, if it is missing. Labels change, so measure the
    agreement. Raises CourseError if a package is missing, the sizes differ, or the export has another graph than
    "coarse".
    """
    exported, sizes = Export.read(folder), {frame.shape[:2] for frame in frames}
    if len(sizes) != 1 or exported.graph != "coarse":
        raise CourseError(
            f"Expected frames of one size and the graph 'coarse', got {len(sizes)} sizes and {exported.graph!r}: "
            "calibrate with frames of the size that you will predict."
        )
    size_hw = exported.input_hw(sizes.pop())
    if size_hw not in exported.onnx:
        exported = add_file(exported, "onnx", size_hw, lambda path: write_onnx(net, path, size_hw))
    quantiser = Quantiser(exported.onnx_file(size_hw), network_inputs(frames, size_hw), show)
    add_file(exported, "int8", size_hw, quantiser.write)
    return quantiser


class Quantiser:
    """Quantises an ONNX file to int8, calibrated once for any choice of layers.

    Runs `inputs`, each float32 (1, 3, H, W) of the file's size, through the network and records the range of every map.
    A map then has 8 bits between the ends of its range, and the weights of each filter have 7: with 8, the sums of
    processors without VNNI overflow. `layers` lists what can be left out, in the order of the graph.

    Its temporary files are removed with it. Raises CourseError if a package is missing or there is no input.
    """

    def __init__(self, source: str | Path, inputs: Iterable[np.ndarray], show: bool = True):
        if (lacking := missing()) is not None:
            raise CourseError(f"Quantising {lacking}.")
        inputs = list(inputs)
        if not inputs:
            raise CourseError("Expected at least one frame to calibrate with, got none: pass training frames.")
        self._folder = tempfile.TemporaryDirectory(prefix="int8-")
        self._model = Path(self._folder.name) / "prepared.onnx"
        _prepare(Path(source), self._model)
        self.layers = _layers(self._model)
        self._ranges = _calibrate(self._model, inputs, show)
        self._quantised: dict[bool, Any] = {}  # by `per_filter`

    def write(self, target: str | Path, keep: Collection[str] = (), per_filter: bool = True) -> Path:
        """Write the network to `target` in int8, except the nodes `keep`, which stay in float32, and return `target`.

        `per_filter`: a scale for each filter of a convolution, instead of one for the whole layer. The file holds
        float32 weights next to their scales, in the format QDQ, which other engines read as well. Raises CourseError
        for an unknown node.
        """
        import onnx

        unknown = sorted(set(keep) - {layer.node for layer in self.layers})
        if unknown:
            raise CourseError(f"Expected nodes of the network in `keep`, got {unknown[0]!r}: see `layers`.")
        if per_filter not in self._quantised:
            self._quantised[per_filter] = _quantised(onnx.load(self._model), self._ranges, per_filter)
        model = onnx.ModelProto()
        model.CopyFrom(self._quantised[per_filter])
        _restore(model.graph, onnx.load(self._model).graph, keep)
        with atomic_path(target) as temporary:
            onnx.save(model, temporary)
        return Path(target)


def _quantised(model, ranges, per_filter: bool):
    from onnxruntime.quantization import QDQQuantizer, QuantType
    from onnxruntime.quantization.registry import QDQRegistry

    seven_bits, every_node, without = True, [], []
    quantizer = QDQQuantizer(
        model,
        per_filter,
        seven_bits,
        QuantType.QInt8,  # weights
        QuantType.QUInt8,  # maps
        ranges,
        every_node,
        without,
        list(QDQRegistry),
        {"QDQKeepRemovableActivations": True},  # ReLU, which 8 bits from 0 on imply, is needed where they are restored
    )
    quantizer.quantize_model()
    return quantizer.model.model


def _restore(graph, exact, keep: Collection[str]) -> None:
    """Connect the nodes `keep` of a quantised graph, and what only follows them, to their float32 inputs in `exact`.

    The quantiser could leave nodes out itself, but takes a second or two for each choice of them.
    """
    makers = {name: node for node in graph.node for name in node.output}
    inputs = {node.name: node.input for node in exact.node}
    weights = {constant.name: constant for constant in exact.initializer}
    known = {constant.name for constant in graph.initializer}
    restored, sources = set(keep), {name: node.name for node in exact.node for name in node.output}
    for node in exact.node:  # sorted, as ONNX demands
        before = {sources[name] for name in node.input if name in sources}
        if before and before <= restored and node.op_type not in _LAYERS:
            restored.add(node.name)
    for node in graph.node:
        if node.name not in restored:
            continue
        for index, name in enumerate(node.input):
            dequantize = makers.get(name)
            if dequantize is None or dequantize.op_type != "DequantizeLinear" or name == inputs[node.name][index]:
                continue  # a bias keeps its name, and has 32 bits, nearly as good as a float
            quantize = makers.get(dequantize.input[0])
            node.input[index] = quantize.input[0] if quantize else inputs[node.name][index]
            if node.input[index] in weights.keys() - known:
                graph.initializer.append(weights[node.input[index]])
                known.add(node.input[index])
    _restore_outputs(graph, makers, restored)


def _restore_outputs(graph, makers: dict, restored: Collection[str]) -> None:
    for output in graph.output:
        dequantize = makers[output.name]
        quantize = makers.get(dequantize.input[0])
        if dequantize.op_type != "DequantizeLinear" or quantize is None:
            continue
        maker = makers[quantize.input[0]]
        if maker.name in restored:
            maker.output[list(maker.output).index(quantize.input[0])] = output.name
            graph.node.remove(quantize)
            graph.node.remove(dequantize)


def layer_names(net: nn.Layer, layers: Sequence[Layer]) -> dict[str, str]:
    """Return the name in `net` of the sublayer that each layer belongs to: {node: name}."""
    # Tracing copies the network, and Paddle appends "_deepcopy_<n>" to the names of the copied weights.
    owners = {parameter.name.split("_deepcopy")[0]: name for name, parameter in net.named_parameters()}
    return {layer.node: owners.get(layer.weight, layer.weight).removesuffix(".weight") for layer in layers}


def parts(net: nn.Layer, layers: Sequence[Layer], names: Iterable[str]) -> dict[str, list[str]]:
    """Return the nodes in each part of `net`: {prefix: nodes} for the prefixes `names` of its sublayers.

    A layer belongs to the longest prefix that fits. Raises CourseError if one fits none.
    """
    found: dict[str, list[str]] = {name: [] for name in names}
    for node, owner in layer_names(net, layers).items():
        part = max((prefix for prefix in found if owner.startswith(prefix)), key=len, default=None)
        if part is None:
            raise CourseError(f"The layer {node} ({owner}) is in none of {', '.join(found)}: pass its prefix as well.")
        found[part].append(node)
    return found


def changed_labels(
    quantiser: Quantiser,
    exported: Export,
    images: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    keep: Collection[str] = (),
    per_filter: bool = True,
) -> float:
    """Return the share of labels, 0 to 1, that int8 changes if the nodes `keep` stay in float32.

    Labels of `images`, uint8 (H, W, 3) of the quantiser's size, are predicted by ONNX Runtime and compared with
    `references`, (H, W). `per_filter`: see `Quantiser.write`.
    """
    with tempfile.TemporaryDirectory(prefix="int8-") as folder, closing(pixels.Workers(usable_cores())) as workers:
        run = onnx_run(quantiser.write(Path(folder) / "part.onnx", keep, per_filter), usable_cores())
        shares = []
        for image, reference in zip(images, references, strict=True):
            size_hw, padded_hw = image.shape[:2], exported.input_hw(image.shape[:2])
            logits = run(pixels.network_input(image[np.newaxis], workers, padded_hw))
            labels = pixels.labels_of(logits, size_hw, exported.align_corners, workers, padded_hw)[0]
            shares.append(1 - agreement(labels, reference))
    return float(np.mean(shares))


def network_inputs(frames: Sequence[np.ndarray], size_hw: tuple[int, int]) -> list[np.ndarray]:
    """Return the input of the graph "coarse" for each uint8 frame: normalised and padded, float32 (1, 3, *size_hw)."""
    images = [normalise(frame) for frame in frames]
    padding = [[(0, new - old) for new, old in zip(size_hw, image.shape[1:], strict=True)] for image in images]
    return [
        np.pad(image, [(0, 0), *each], mode="edge")[np.newaxis] for image, each in zip(images, padding, strict=True)
    ]


def _prepare(source: Path, target: Path) -> None:
    """Fold batch norm and constants."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _layers(path: Path) -> tuple[Layer, ...]:
    import onnx

    graph = onnx.load(path).graph
    constants = {constant.name for constant in graph.initializer}
    readers = {name: node for node in reversed(graph.node) for name in node.input}
    found = []
    for node in graph.node:
        if node.op_type not in _LAYERS:
            continue
        convolution = node
        while convolution.op_type != "Conv" and convolution.output[0] in readers:
            convolution = readers[convolution.output[0]]
        weight = next((name for name in convolution.input[1:2] if name in constants), "")
        found.append(Layer(node.name, weight.removeprefix("ConvBnFusion_W_").split("_deepcopy")[0]))
    return tuple(found)


def _calibrate(path: Path, inputs: Sequence[np.ndarray], show: bool):
    """Return the smallest and largest value of each map, in the form that the quantiser takes."""
    from onnxruntime.quantization import CalibrationDataReader, create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self):
            bar = progress(inputs, desc="calibrating", unit="frame", disable=not show)
            self._inputs = iter(bar)

        def get_next(self):
            x = next(self._inputs, None)
            return None if x is None else {"x": x}

    calibrator = create_calibrator(path, augmented_model_path=os.fspath(path.with_name("augmented.onnx")))
    calibrator.collect_data(Reader())
    return calibrator.compute_data()
