"""Paddle Inference, and Paddle's own executor, as runners: array in, array out."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import inference

from helpers.deployment.exports import Export


class PaddleRunner:
    """Paddle Inference: create a predictor, fill its input, run, fetch its output.

    `kind` is the format of the graph, "pir" or "legacy". `setting` is "plain" (no oneDNN), "onednn", "gpu", or the
    precision of OpenVINO's engine, a name in `paddle.inference.PrecisionType`. With `frames` it also accepts uint8
    frames (N, H, W, 3) if the graph is "coarse", which has a separate program for them.
    """

    def __init__(self, exported: Export, threads: int, kind: str, setting: str, frames: bool = False):
        self._exported, self._threads, self._kind, self._setting = exported, threads, kind, setting
        self.takes_frames = frames and exported.graph == "coarse"
        # For OpenVINO's compiled programs, which would otherwise go into `__cache__` in the working folder.
        self._cache = tempfile.TemporaryDirectory(prefix="openvino-")
        first = "frames" if self.takes_frames else kind
        self._predictors = {first: self._create(first)}

    def clone(self) -> PaddleRunner:
        """Return another runner, for another thread. It shares the weights only without oneDNN and OpenVINO.

        With oneDNN, clones fail at their first run, because the first predictor has reordered the weights (Paddle
        3.2.2).
        """
        if self._setting not in ("plain", "gpu"):
            return PaddleRunner(self._exported, self._threads, self._kind, self._setting, self.takes_frames)
        twin = object.__new__(PaddleRunner)
        twin.__dict__.update(self.__dict__)
        with _onednn_kernels(False):
            twin._predictors = {kind: predictor.clone() for kind, predictor in self._predictors.items()}
        return twin

    def __call__(self, array: np.ndarray) -> np.ndarray:
        kind = "frames" if self.takes_frames and array.dtype == np.uint8 else self._kind
        if kind not in self._predictors:
            self._predictors[kind] = self._create(kind)
        try:
            return self._run(self._predictors[kind], array)
        except RuntimeError:
            # oneDNN's pooling keeps state of the previous size and can fail on a very small frame after a larger one
            # (32x33 after 128x256, Paddle 3.2.2). A new predictor does not.
            self._predictors[kind] = self._create(kind)
            return self._run(self._predictors[kind], array)

    def _create(self, kind: str) -> inference.Predictor:
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
            self._use_gpu(config)
        else:
            config.set_optim_cache_dir(self._cache.name)
            config.enable_openvino_engine(getattr(inference.PrecisionType, self._setting))
        with _onednn_kernels(self._setting not in ("plain", "gpu")):
            return inference.create_predictor(config)

    def _use_gpu(self, config: inference.Config) -> None:
        # Not run yet: this project was written on a machine without a GPU.
        config.enable_use_gpu(256, 0)  # megabytes to allocate first, index of the GPU
        if any(inference.get_trt_compile_version()):
            config.enable_tensorrt_engine(
                workspace_size=1 << 30,
                max_batch_size=1,
                min_subgraph_size=5,
                precision_mode=inference.PrecisionType.Half,
                use_static=True,
                use_calib_mode=False,
            )
            # Sizes are dynamic: TensorRT gets a range of sizes, and builds again for sizes beyond it.
            config.set_optim_cache_dir(self._cache.name)
            shapes = {"x": [1, 3, 32, 32]}, {"x": [1, 3, 2048, 2048]}, {"x": [1, 3, 1024, 2048]}
            config.set_trt_dynamic_shape_info(*shapes)

    def _run(self, predictor: inference.Predictor, array: np.ndarray) -> np.ndarray:
        handle = predictor.get_input_handle(predictor.get_input_names()[0])
        if self._setting == "gpu":
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
