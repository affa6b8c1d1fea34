"""ONNX Runtime and OpenVINO, called directly, without Paddle; both are extra packages."""

from __future__ import annotations

import numpy as np

from helpers.common.errors import CourseError
from helpers.deployment.exports import Export


class OnnxRuntimeRunner:
    """ONNX Runtime with the ONNX file for the size of its input. A file takes one frame, so a batch is a loop."""

    takes_frames = False

    def __init__(self, exported: Export, threads: int):
        self._exported, self._threads = exported, threads
        self._sessions: dict[tuple[int, int], object] = {}
        if not exported.onnx:
            raise CourseError(
                f"{exported.folder} has no ONNX file: export the network with onnx_hw=[(height, width)] of your frames."
            )

    def clone(self) -> OnnxRuntimeRunner:
        """Return another runner, for another thread."""
        return OnnxRuntimeRunner(self._exported, self._threads)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        labels = self._exported.graph == "labels"
        session = self._session(array.shape[1:3] if labels else array.shape[2:])
        name = "frames" if labels else "x"
        return np.concatenate([session.run(None, {name: image[np.newaxis]})[0] for image in array])

    def _session(self, size_hw: tuple[int, int]):
        if size_hw not in self._sessions:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
            options.log_severity_level = 3
            self._sessions[size_hw] = onnxruntime.InferenceSession(
                str(self._exported.onnx_file(size_hw)), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[size_hw]


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
        import openvino

        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": self._precision,  # the default is bf16 if the processor supports it
        }
        program, _ = self._exported.files(kind)
        return core.compile_model(core.read_model(program), "CPU", settings).create_infer_request()
