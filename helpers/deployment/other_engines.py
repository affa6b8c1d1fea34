"""ONNX Runtime and OpenVINO, called directly, without Paddle; both are extra packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.common.errors import CourseError
from helpers.deployment.exports import Export


class _OnnxRunner:
    """Runs the ONNX file for the size of its input. A file takes one frame, so a batch is a loop."""

    takes_frames = False

    def __init__(self, exported: Export, threads: int, int8: bool = False):
        self._exported, self._threads, self._int8 = exported, threads, int8
        self._runs: dict[tuple[int, int], Callable[[np.ndarray], np.ndarray]] = {}
        if not (exported.int8 if int8 else exported.onnx):
            more = " and training frames for calibration" if int8 else ""
            raise CourseError(
                f"{exported.folder} has no {'int8' if int8 else 'ONNX'} file: export the network with "
                f"onnx_hw=[(height, width)] of your frames{more}."
            )

    def clone(self):
        """Return another runner, for another thread."""
        return type(self)(self._exported, self._threads, self._int8)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        size_hw = array.shape[1:3] if self._exported.graph == "labels" else array.shape[2:]
        if size_hw not in self._runs:
            self._runs[size_hw] = self._load(self._exported.onnx_file(size_hw, self._int8))
        return np.concatenate([self._runs[size_hw](image[np.newaxis]) for image in array])


class OnnxRuntimeRunner(_OnnxRunner):
    """ONNX Runtime, with the file in float32 or in `int8`."""

    def _load(self, path: Path) -> Callable[[np.ndarray], np.ndarray]:
        return onnx_run(path, self._threads)


def onnx_run(path: str | Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that runs an ONNX file with ONNX Runtime on the CPU: its input to its first output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


class OpenVinoInt8Runner(_OnnxRunner):
    """OpenVINO with the int8 file that ONNX Runtime's quantiser wrote."""

    def __init__(self, exported: Export, threads: int, int8: bool = True):
        super().__init__(exported, threads, int8)

    def _load(self, path: Path) -> Callable[[np.ndarray], np.ndarray]:
        request = _request(path, self._threads, "f32")
        return lambda image: next(iter(request.infer([image]).values())).copy()


class OpenVinoRunner:
    """OpenVINO, which reads Paddle's older format. `precision` is "f32" or "bf16"."""

    def __init__(self, exported: Export, threads: int, precision: str):
        self._exported, self._threads, self._precision = exported, threads, precision
        self.takes_frames = exported.graph == "coarse"
        first = "frames" if self.takes_frames else "legacy"
        self._requests = {first: self._create(first)}

    def clone(self) -> OpenVinoRunner:
        """Return another runner, for another thread."""
        return OpenVinoRunner(self._exported, self._threads, self._precision)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        kind = "frames" if self.takes_frames and array.dtype == np.uint8 else "legacy"
        if kind not in self._requests:
            self._requests[kind] = self._create(kind)
        return next(iter(self._requests[kind].infer([array]).values())).copy()

    def _create(self, kind: str):
        return _request(self._exported.files(kind)[0], self._threads, self._precision)


def _request(program: Path, threads: int, precision: str):
    import openvino

    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,  # the default is bf16 if the processor supports it
    }
    return core.compile_model(core.read_model(program), "CPU", settings).create_infer_request()
