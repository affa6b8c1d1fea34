"""Paddle Inference, and Paddle's own executor, as runners: array in, array out."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import inference

from helpers.deployment import paddle_gpu
from helpers.deployment.exports import Export

_WITHOUT_ONEDNN = ("plain", "gpu", "tensorrt")


class PaddleRunner:
    """Paddle Inference: create a predictor, fill its input, run, fetch its output.

    `kind` is the format of the graph, "pir" or "legacy". `setting` is "plain" (no oneDNN), "onednn", "gpu", "tensorrt",
    or the precision of OpenVINO's engine, a name in `paddle.inference.PrecisionType`. With `frames` it also accepts
    uint8 frames (N, H, W, 3) if the graph is "coarse", which has a separate program for them.
    """

    def __init__(self, exported: Export, threads: int, kind: str, setting: str, frames: bool = False):
        self._exported, self._threads, self._kind, self._setting = exported, threads, kind, setting
        self.takes_frames = frames and exported.graph == "coarse"
        # For OpenVINO's compiled programs, which would otherwise go into `__cache__` in the working folder.
        self._cache = tempfile.TemporaryDirectory(prefix="openvino-")
        # By the kind of the graph; by the shape of the input, too, if the graph is compiled for one.
        self._predictors: dict[tuple, inference.Predictor] = {}
        if setting != "tensorrt":
            first = "frames" if self.takes_frames else kind
            self._predictors[first, None] = self._create(first)

    def clone(self) -> PaddleRunner:
        """Return another runner, for another thread. It shares the weights only without oneDNN, OpenVINO and GPUs.

        With oneDNN, clones fail at their first run, because the first predictor has reordered the weights. In the older
        format, which GPUs use, a predictor fails once its clone is gone: "Tensor holds no memory" (Paddle 3.2.2).
        """
        if self._setting != "plain":
            return PaddleRunner(self._exported, self._threads, self._kind, self._setting, self.takes_frames)
        twin = object.__new__(PaddleRunner)
        twin.__dict__.update(self.__dict__)
        with _onednn_kernels(False):
            twin._predictors = {key: predictor.clone() for key, predictor in self._predictors.items()}
        return twin

    def __call__(self, array: np.ndarray) -> np.ndarray:
        kind = "frames" if self.takes_frames and array.dtype == np.uint8 else self._kind
        key = kind, array.shape if self._setting == "tensorrt" else None
        if key not in self._predictors:
            self._predictors[key] = self._create(*key)
        try:
            return self._run(self._predictors[key], array)
        except RuntimeError:
            # oneDNN's pooling keeps state of the previous size and can fail on a very small frame after a larger one
            # (32x33 after 128x256, Paddle 3.2.2). A new predictor does not.
            self._predictors[key] = self._create(*key)
            return self._run(self._predictors[key], array)

    def _create(self, kind: str, shape: tuple[int, ...] | None = None) -> inference.Predictor:
        config = inference.Config(*(str(path) for path in self._exported.files(kind)))
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(self._threads)
        if kind != "pir":
            config.enable_memory_optim()  # raises on the new format (Paddle issue 75496)
        if self._setting == "plain":
            config.disable_onednn()
        elif self._setting == "onednn":
            config.enable_onednn()
        elif self._setting == "gpu":
            paddle_gpu.use_gpu(config)
        elif self._setting == "tensorrt":
            paddle_gpu.use_tensorrt(config, self._exported, kind, shape)
        else:
            config.set_optim_cache_dir(self._cache.name)
            config.enable_openvino_engine(getattr(inference.PrecisionType, self._setting))
        with _onednn_kernels(self._setting not in _WITHOUT_ONEDNN):
            return inference.create_predictor(config)

    def _run(self, predictor: inference.Predictor, array: np.ndarray) -> np.ndarray:
        handle = predictor.get_input_handle(predictor.get_input_names()[0])
        if self._setting in ("gpu", "tensorrt"):
            handle.reshape(array.shape)
            handle.copy_from_cpu(array)
        else:
            # Share the array instead of copying megabytes, and keep a reference to it until the next call. DLPack
            # needs a writable array. `copy_from_cpu` would be wrong: after a shared array, it writes into that array.
            self._input = paddle.utils.dlpack.from_dlpack(array if array.flags.writeable else array.copy())
            handle.share_external_data(self._input)
        predictor.run()
        return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()


class ProgramRunner:
    """Paddle's own executor: the operators of the exported program one by one, without optimisation."""

    takes_frames = False

    def __init__(self, exported: Export, threads: int):
        self._exported, self._threads = exported, threads
        with _onednn_kernels(False):
            self._program = paddle.jit.load(str(exported.files("pir")[0].with_suffix("")))
        self._program.eval()

    def clone(self) -> ProgramRunner:
        """Return another runner, for another thread."""
        return ProgramRunner(self._exported, self._threads)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        # oneDNN's bilinear resize would be wrong, see "paddle-onednn" in ALL_ENGINES.
        with _onednn_kernels(False), paddle.no_grad():
            return self._program(paddle.to_tensor(array)).numpy()


_flag_lock = threading.RLock()  # the flag belongs to the process


@contextmanager
def _onednn_kernels(enabled: bool) -> Iterator[None]:
    # FLAGS_use_mkldnn, which makes eager training faster (helpers.common.runtime), also affects a predictor that is
    # created with oneDNN disabled: it mixes memory formats and fails at its first run (Paddle 3.2.2).
    name = "FLAGS_use_mkldnn"
    with _flag_lock:
        before = paddle.get_flags(name)
        paddle.set_flags({name: enabled})
        try:
            yield
        finally:
            paddle.set_flags(before)
