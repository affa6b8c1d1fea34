"""Write ONNX files, each for one frame size, converted in a child process and compared with the network.

paddle2onnx 2.1 aborts the process if a size is dynamic. At a fixed size it converts adaptive pooling to plain pooling,
which is correct only if the bins divide the map (6 bins on 32 lines: off by 0.2). Sizes are therefore fixed, and
adaptive pooling is replaced by two products with constant averaging matrices.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.deployment.graphs import GRAPHS, Resize, main_output, save_graph, without_resize
from helpers.models.modes import evaluation_mode

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
    """Write `net` as an ONNX file for one normalised image, float32 (1, 3, H, W), and return `path`.

    Its output is that of `graph`, "coarse" or "logits"; for "coarse" the size must be a multiple of the stride. The
    file is written only if ONNX Runtime computes the same logits from it as the network.
    Raises CourseError if a package is missing, the converter fails, or logits differ.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise CourseError(f"Writing ONNX needs {' and '.join(missing)}: pip install {' '.join(missing)}.")
    if graph == "labels":
        raise CourseError('ONNX files hold logits: export with graph="coarse" or "logits".')
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, *size_hw)).astype(np.float32)
    with atomic_path(path) as temporary:
        convert(net, temporary, size_hw, graph)
        _compare(_run(temporary, x), _eager(net, x, main_output(net).resize if graph == "coarse" else None))
    return Path(path)


def convert(net: nn.Layer, path: str | Path, size_hw: tuple[int, int], graph: str = "coarse") -> None:
    """Convert `net` as `write_onnx` does, but without running the result: ONNX Runtime cannot read every network.

    Raises CourseError if the converter fails.
    """
    resize = main_output(net).resize if graph == "coarse" else None
    with tempfile.TemporaryDirectory(prefix="onnx-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every operator that it does not know
        pooled = _with_matrix_pooling(net, size_hw)
        save_graph(GRAPHS[graph](pooled), Path(folder) / "model.json", resize, size_hw, batch=1)
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


def _compare(converted: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(converted - expected).max() if converted.shape == expected.shape else np.inf
    if not difference <= TOLERANCE * np.abs(expected).max():
        raise CourseError(
            f"The converted network differs from the original: shapes {converted.shape} and {expected.shape}, largest "
            f"difference {difference:.3g}, largest logit {np.abs(expected).max():.3g}. Nothing was written."
        )


class _MatrixPooling(nn.Layer):
    """Adaptive average pooling of maps of one size as two products with constant matrices."""

    def __init__(self, input_hw: tuple[int, int], bins_hw: tuple[int, int]):
        super().__init__()
        self.register_buffer("rows", paddle.to_tensor(_averages(input_hw[0], bins_hw[0])))  # (bins, H)
        self.register_buffer("columns", paddle.to_tensor(_averages(input_hw[1], bins_hw[1]).T))  # (W, bins)

    def forward(self, x):
        return paddle.matmul(paddle.matmul(self.rows, x), self.columns)


def _with_matrix_pooling(net: nn.Layer, size_hw: tuple[int, int]) -> nn.Layer:
    """Return a copy of `net` for images of one size, with its adaptive pooling layers replaced."""
    net = copy.deepcopy(net)
    net.eval()
    met: dict[nn.Layer, tuple[int, int]] = {}
    pools = [layer for layer in net.sublayers() if isinstance(layer, nn.AdaptiveAvgPool2D)]
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: met.update({layer: tuple(inputs[0].shape[2:])}))
        for layer in pools
    ]
    with paddle.no_grad():
        net(paddle.zeros([1, 3, *size_hw]))
    for hook in hooks:
        hook.remove()
    for parent in net.sublayers(include_self=True):
        for name, layer in parent.named_children():
            if layer in met:
                bins_hw = tuple(np.broadcast_to(layer._output_size, 2))
                setattr(parent, name, _MatrixPooling(met[layer], bins_hw))
    return net


def _averages(size: int, bins: int) -> np.ndarray:
    """Return float32 (bins, size): bin i averages from floor(i size / bins) to ceil((i + 1) size / bins)."""
    matrix = np.zeros((bins, size), np.float32)
    for i in range(bins):
        start, stop = i * size // bins, -(-(i + 1) * size // bins)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix
