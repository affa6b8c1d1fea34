"""Write ONNX files, each for one frame size, converted in a child process and compared with the network.

paddle2onnx 2.1 aborts the process if a size is dynamic, so sizes are fixed. Two operators need help even then:

- Adaptive pooling becomes plain pooling, which is correct only if the bins divide the map (6 bins on 32 lines: off by
  0.2). It is replaced by two products with constant averaging matrices.
- A resize to the size of another map becomes a Resize with sizes sliced from the map's Shape. U-HRNet averages channels
  by unsqueeze, pool and squeeze, after which ONNX does not know the map's rank: ONNX Runtime infers 0 sizes and refuses
  the file. Resizes therefore get constant sizes.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
import paddleseg
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.datasets import normalise
from helpers.deployment.graphs import GRAPHS, Resize, main_output, save_graph, without_resize
from helpers.models.modes import evaluation_mode
from helpers.paddle_compat import keep_device

TOLERANCE = 1e-4  # of the largest logit
_PACKAGES = ("paddle2onnx", "onnx", "onnxruntime")
# In a child process, because the converter, written in C++, calls abort() for an operator that it does not know. And
# without its default optimiser, polygraphy: paddle2onnx 2.1 lets it install packages, among them another NumPy, into
# the running environment (convert.py sets POLYGRAPHY_AUTOINSTALL_DEPS). The engines fold constants themselves.
_CONVERT = """
import sys
import paddle2onnx
paddle2onnx.export(
    sys.argv[1], sys.argv[2], sys.argv[3], opset_version=13, enable_onnx_checker=True, optimize_tool="none"
)
"""


def write_onnx(net: nn.Layer, path: str | Path, size_hw: tuple[int, int], graph: str = "coarse") -> Path:
    """Write `net` as an ONNX file for one image of `size_hw`, and return `path`.

    Input and output are those of `graph`, with a batch of one; for "coarse" the size must be a multiple of the stride.
    Labels are uint8, a quarter of the bytes of Paddle's graph. The file is written only if ONNX Runtime computes the
    same logits from it as the network, or the labels of the largest logits. Both run on the CPU, because GPUs round
    float32 to 10 bits by default (TF32).
    Raises CourseError if a package is missing, the converter fails, or outputs differ.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise CourseError(f"Writing ONNX needs {' and '.join(missing)}: pip install {' '.join(missing)}.")
    frame = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    x = normalise(frame)[np.newaxis]
    resize = main_output(net).resize if graph == "coarse" else None
    with atomic_path(path) as temporary, keep_device():
        paddle.set_device("cpu")
        on_cpu = copy.deepcopy(net).to(device="cpu")
        convert(on_cpu, temporary, size_hw, graph)
        expected = _eager(on_cpu, x, resize)
        if graph == "labels":
            _compare_labels(_run(temporary, frame[np.newaxis]), expected)
        else:
            _compare(_run(temporary, x), expected)
    return Path(path)


def convert(net: nn.Layer, path: str | Path, size_hw: tuple[int, int], graph: str = "coarse") -> None:
    """Convert `net` as `write_onnx` does, but without comparing the result.

    Raises CourseError if the converter fails.
    """
    resize = main_output(net).resize if graph == "coarse" else None
    with tempfile.TemporaryDirectory(prefix="onnx-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every operator that it does not know
        paddle.jit.ignore_module([paddleseg])  # as in `export`
        net = copy.deepcopy(net)
        net.eval()
        observed = _observe(net, size_hw, resize)
        _replace_pooling(net, observed)
        layer = (_ByteLabels if graph == "labels" else GRAPHS[graph])(net)
        with _constant_resizes(observed.resized_hw):
            save_graph(layer, Path(folder) / "model.json", resize, size_hw, batch=1)
        _convert(Path(folder), Path(path))


def _convert(folder: Path, target: Path) -> None:
    files = [str(folder / "model.json"), str(folder / "model.pdiparams"), str(target)]
    done = subprocess.run([sys.executable, "-c", _CONVERT, *files], capture_output=True, text=True)
    if done.returncode or not target.is_file():
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line] or ["no message"]
        raise CourseError(
            f"paddle2onnx could not convert this network (exit code {done.returncode}, {errors[-1].strip()}): use an "
            "engine that reads Paddle's own format."
        )


def _run(path: Path, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        raise CourseError(f"ONNX Runtime cannot read the converted network: {str(error).splitlines()[0]}") from error
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def _eager(net: nn.Layer, x: np.ndarray, resize: Resize | None) -> np.ndarray:
    with paddle.no_grad(), evaluation_mode(net), without_resize(resize):
        return net(paddle.to_tensor(x))[0].numpy()


def _compare_labels(labels: np.ndarray, logits: np.ndarray) -> None:
    expected_shape = (len(logits), *logits.shape[2:])
    if labels.shape != expected_shape or labels.dtype != np.uint8:
        raise CourseError(
            f"The converted network differs from the original: labels {labels.dtype} {labels.shape} instead of uint8 "
            f"{expected_shape}. Nothing was written."
        )
    # Where two classes tie up to rounding, either is right.
    chosen = np.take_along_axis(logits, labels[:, np.newaxis].astype(np.int64), axis=1)
    _compare(chosen, logits.max(axis=1, keepdims=True))


def _compare(converted: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(converted - expected).max() if converted.shape == expected.shape else np.inf
    if not difference <= TOLERANCE * np.abs(expected).max():
        raise CourseError(
            f"The converted network differs from the original: shapes {converted.shape} and {expected.shape}, largest "
            f"difference {difference:.3g}, largest logit {np.abs(expected).max():.3g}. Nothing was written."
        )


class _ByteLabels(GRAPHS["labels"]):
    """Frames to labels, in bytes: uint8 (1, H, W, 3) to uint8 (1, H, W)."""

    def forward(self, frames):
        return super().forward(frames).astype("uint8")


class _MatrixPooling(nn.Layer):
    """Adaptive average pooling of maps of one size as two products with constant matrices."""

    def __init__(self, input_hw: tuple[int, int], bins_hw: tuple[int, int]):
        super().__init__()
        self.register_buffer("rows", paddle.to_tensor(_averages(input_hw[0], bins_hw[0])))  # (bins, H)
        self.register_buffer("columns", paddle.to_tensor(_averages(input_hw[1], bins_hw[1]).T))  # (W, bins)

    def forward(self, x):
        return paddle.matmul(paddle.matmul(self.rows, x), self.columns)


@dataclass
class _Observed:
    """Sizes in a forward pass: of the inputs of adaptive pooling layers, and of resized maps in order of the calls."""

    pooled_hw: dict[nn.Layer, tuple[int, int]] = field(default_factory=dict)
    resized_hw: list[list[int]] = field(default_factory=list)


def _observe(net: nn.Layer, size_hw: tuple[int, int], left_out: Resize | None) -> _Observed:
    observed, original = _Observed(), F.interpolate

    def interpolate(*arguments, **named):
        output = original(*arguments, **named)
        observed.resized_hw.append(list(output.shape[2:]))
        return output

    hooks = [
        layer.register_forward_pre_hook(
            lambda layer, inputs: observed.pooled_hw.update({layer: tuple(inputs[0].shape[2:])})
        )
        for layer in net.sublayers()
        if isinstance(layer, nn.AdaptiveAvgPool2D)
    ]
    F.interpolate = interpolate
    try:
        with paddle.no_grad(), without_resize(left_out):
            net(paddle.zeros([1, 3, *size_hw]))
    finally:
        F.interpolate = original
        for hook in hooks:
            hook.remove()
    return observed


@contextmanager
def _constant_resizes(sizes_hw: list[list[int]]) -> Iterator[None]:
    """Resize to `sizes_hw`, one after the other, in the forward pass that runs inside the block."""
    original, calls = F.interpolate, []

    # Named parameters and plain calls only, because Paddle's tracer rewrites this function, too.
    def interpolate(
        x, size=None, scale_factor=None, mode="nearest", align_corners=False, align_mode=0, data_format="NCHW"
    ):
        calls.append(1)
        return original(x, sizes_hw[len(calls) - 1], None, mode, align_corners, align_mode, data_format)

    F.interpolate = interpolate
    try:
        yield
    finally:
        F.interpolate = original


def _replace_pooling(net: nn.Layer, observed: _Observed) -> None:
    for parent in net.sublayers(include_self=True):
        for name, layer in parent.named_children():
            if layer in observed.pooled_hw:
                bins_hw = tuple(np.broadcast_to(layer._output_size, 2))
                setattr(parent, name, _MatrixPooling(observed.pooled_hw[layer], bins_hw))


def _averages(size: int, bins: int) -> np.ndarray:
    """Return float32 (bins, size): bin i averages from floor(i size / bins) to ceil((i + 1) size / bins)."""
    matrix = np.zeros((bins, size), np.float32)
    for i in range(bins):
        start, stop = i * size // bins, -(-(i + 1) * size // bins)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix
