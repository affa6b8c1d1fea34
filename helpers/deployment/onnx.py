"""ONNX files, for one frame size each, converted in a process of their own and compared with the network first.

What paddle2onnx 2.1 does with these networks: it ends the whole process on open sizes, and at a fixed size it turns
adaptive pooling into plain pooling, which is right only where the bins divide the map (6 bins on 32 lines: off by 0.2).
So sizes are fixed, and adaptive pooling becomes two products with constant matrices of averages.
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
from helpers.deployment.graphs import GRAPHS, last_resize, without_resize

TOLERANCE = 1e-4  # of the largest logit
_PACKAGES = ("paddle2onnx", "onnx", "onnxruntime")
# In a child process: the converter is C++ that calls abort() where it does not know an operator. And without its
# default optimiser, polygraphy: paddle2onnx 2.1 lets that install packages, among them another NumPy, into the
# environment it runs in (convert.py sets POLYGRAPHY_AUTOINSTALL_DEPS). The engines fold constants themselves.
_CONVERT = """
import sys
import paddle2onnx
paddle2onnx.export(
    sys.argv[1], sys.argv[2], sys.argv[3], opset_version=13, enable_onnx_checker=True, optimize_tool="none"
)
"""


def write_onnx(net: nn.Layer, path: str | Path, size_hw: tuple[int, int], graph: str = "coarse") -> Path:
    """Write `net` for one frame, float32 (1, 3, H, W), as an ONNX file that gives what the graph of this name gives.

    The file appears only after ONNX Runtime has computed the same from it as the network. Raises CourseError when a
    package is missing, the converter fails, or the results differ.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise CourseError(f"Writing ONNX needs {' and '.join(missing)}: pip install {' '.join(missing)}.")
    if graph == "labels":
        raise CourseError('ONNX files hold logits: export with graph="coarse" or "logits".')
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, *size_hw)).astype(np.float32)
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory(prefix="onnx-") as folder:
        _trace(net, Path(folder) / "model", size_hw, graph)
        _convert(Path(folder), temporary)
        _compare(_run(temporary, x), _eager(net, x, graph))
    return Path(path)


def _trace(net: nn.Layer, stem: Path, size_hw: tuple[int, int], graph: str) -> None:
    resize = last_resize(net) if graph == "coarse" else None
    net = _with_matrix_pooling(net, size_hw)
    with without_resize(resize), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = GRAPHS[graph](net)
        layer.eval()
        spec = layer.spec(size_hw, 1)
        paddle.jit.save(paddle.jit.to_static(layer, input_spec=[spec], full_graph=True), str(stem))


def _convert(folder: Path, target: Path) -> None:
    files = [str(folder / "model.json"), str(folder / "model.pdiparams"), str(target)]
    done = subprocess.run([sys.executable, "-c", _CONVERT, *files], capture_output=True, text=True)
    if done.returncode or not target.is_file():
        said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line] or ["nothing"]
        raise CourseError(
            f"paddle2onnx could not convert this network (exit code {done.returncode}, it says: {said[-1].strip()}): "
            "use an engine that reads Paddle's own format."
        )


def _run(path: Path, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
        raise CourseError(f"ONNX Runtime does not read the converted network: {str(error).splitlines()[0]}") from error
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def _eager(net: nn.Layer, x: np.ndarray, graph: str) -> np.ndarray:
    was_training = net.training
    net.eval()
    try:
        with paddle.no_grad(), without_resize(last_resize(net) if graph == "coarse" else None):
            return net(paddle.to_tensor(x))[0].numpy()
    finally:
        if was_training:
            net.train()


def _compare(converted: np.ndarray, expected: np.ndarray) -> None:
    difference = np.abs(converted - expected).max() if converted.shape == expected.shape else np.inf
    if not difference <= TOLERANCE * np.abs(expected).max():
        raise CourseError(
            f"The converted network differs from the original: shape {converted.shape} and {expected.shape}, largest "
            f"difference {difference:.3g} of {np.abs(expected).max():.3g}. Nothing was written."
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
    """A copy of `net` for images of one size, its adaptive pooling layers replaced."""
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
    """float32 (bins, size): bin i averages from floor(i size / bins) to ceil((i + 1) size / bins)."""
    matrix = np.zeros((bins, size), np.float32)
    for i in range(bins):
        start, stop = i * size // bins, -(-(i + 1) * size // bins)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix
