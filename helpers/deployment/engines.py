"""Ways to run an exported graph on this machine, in one table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import paddle
from paddle import inference

from helpers.deployment.graphs import Export

# Runs a graph once: what `export` says goes in, what it says comes out.
Runner = Callable[[np.ndarray], np.ndarray]


class _PaddleRunner:
    """Paddle Inference: create a predictor, fill its input, run, fetch its output."""

    def __init__(self, exported: Export, threads: int, kind: str, setting: str):
        self._files = [str(path) for path in exported.files(kind)]
        self._threads, self._legacy, self._setting = threads, kind == "legacy", setting
        # OpenVINO's compiled programs go where the user does not look, instead of `__cache__` in the working folder.
        self._cache = tempfile.TemporaryDirectory(prefix="openvino-")
        self._predictor = self._create()

    def _create(self) -> inference.Predictor:
        config = inference.Config(*self._files)
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(self._threads)
        if self._legacy:
            config.enable_memory_optim()  # raises on the new format (Paddle issue 75496)
        if self._setting == "plain":
            config.disable_onednn()
        elif self._setting == "onednn":
            config.enable_onednn()
        else:
            config.set_optim_cache_dir(self._cache.name)
            config.enable_openvino_engine(getattr(inference.PrecisionType, self._setting))
        with _onednn_kernels(self._setting != "plain"):
            return inference.create_predictor(config)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        try:
            return self._run(array)
        except RuntimeError:
            # oneDNN's pooling keeps something of the size before and can fail on a very small frame after a larger one
            # (32x33 after 128x256, Paddle 3.2.2); a new predictor does not.
            self._predictor = self._create()
            return self._run(array)

    def _run(self, array: np.ndarray) -> np.ndarray:
        predictor = self._predictor
        handle = predictor.get_input_handle(predictor.get_input_names()[0])
        handle.reshape(array.shape)
        handle.copy_from_cpu(array)
        predictor.run()
        return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()


@dataclass(frozen=True)
class Engine:
    """A way to run an export. `create` takes the export and a number of threads."""

    title: str
    create: Callable[[Export, int], Runner]


# In the new format Paddle 3.2.2 gives every bilinear resize to oneDNN, which knows no align_corners=True (Paddle pull
# request 29103 tells that its formula differs), so the pyramid pooling of Fast-SCNN comes out wrong. In the older
# format it comes out right, and faster.
ENGINES: dict[str, Engine] = {
    "paddle": Engine("Paddle Inference, no oneDNN", partial(_PaddleRunner, kind="pir", setting="plain")),
    "paddle-onednn": Engine("Paddle Inference, oneDNN", partial(_PaddleRunner, kind="legacy", setting="onednn")),
    "paddle-openvino": Engine("Paddle Inference, OpenVINO", partial(_PaddleRunner, kind="legacy", setting="Float32")),
    "paddle-openvino-bf16": Engine(
        "Paddle Inference, OpenVINO in bfloat16", partial(_PaddleRunner, kind="legacy", setting="Bfloat16")
    ),
}


@contextmanager
def _onednn_kernels(wanted: bool) -> Iterator[None]:
    # FLAGS_use_mkldnn, which makes eager training faster (helpers.runtime), also reaches a predictor that is created
    # with oneDNN disabled, mixes its memory layouts and makes it fail at its first run (Paddle 3.2.2).
    name = "FLAGS_use_mkldnn"
    before = paddle.get_flags(name)
    paddle.set_flags({name: wanted})
    try:
        yield
    finally:
        paddle.set_flags(before)
