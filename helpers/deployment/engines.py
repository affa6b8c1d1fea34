"""The table of engines: ways to run an exported graph on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import paddle

from helpers.common.errors import CourseError
from helpers.deployment import card_engine, paddle_gpu
from helpers.deployment.card_engine import CardRunner
from helpers.deployment.exports import Export
from helpers.deployment.other_engines import OnnxRuntimeRunner, OpenVinoInt8Runner, OpenVinoRunner
from helpers.deployment.paddle_engine import PaddleRunner, ProgramRunner


class Runner(Protocol):
    """Runs a graph: the input and the output that `export` describes. One thread may call it at a time.

    `takes_frames`: uint8 frames (N, H, W, 3) are accepted, too (graph "coarse" only).
    """

    takes_frames: bool

    def __call__(self, array: np.ndarray) -> np.ndarray: ...

    def clone(self) -> Runner: ...


@dataclass(frozen=True)
class Engine:
    """A way to run an export.

    `title`: name for people; `create`: returns a Runner for an export and a number of threads; `package`: Python
    package that it needs in addition to Paddle; `exact`: computes in float32 throughout; `gpu`: needs Paddle's GPU
    build and a GPU; `provider`: the provider of ONNX Runtime that it needs; `int8`: runs the quantised file of an
    export; `also`: returns what else it lacks, if anything.
    """

    title: str
    create: Callable[[Export, int], Runner]
    package: str = ""
    exact: bool = True
    gpu: bool = False
    provider: str = ""
    int8: bool = False
    also: Callable[[], str | None] = lambda: None

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU."""
        return self.gpu or bool(self.provider)

    @property
    def reads_onnx(self) -> bool:
        """Whether it needs an ONNX file for the size of the frame."""
        return self.package == "onnxruntime" or self.int8

    def can_run(self, exported: Export, size_hw: tuple[int, int]) -> bool:
        """Whether `exported` has the file that the engine needs for frames of `size_hw`."""
        return not self.reads_onnx or exported.input_hw(size_hw) in (exported.int8 if self.int8 else exported.onnx)

    @property
    def missing(self) -> str | None:
        """What this machine lacks for the engine and how to get it, or None if the engine runs."""
        if self.gpu and not (paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count()):
            return "it needs an NVIDIA GPU and Paddle built for it (environment.yml)"
        if self.provider:
            return card_engine.missing(self.provider)
        if self.package and find_spec(self.package) is None:
            return f"its package is not installed: pip install {self.package}"
        return self.also()


def _on_card(title: str, precision: str, exact: bool = True, provider: str = card_engine.CUDA) -> Engine:
    create = partial(CardRunner, precision=precision, provider=provider)
    return Engine(title, create, package="onnxruntime", exact=exact, provider=provider)


_legacy = partial(partial, PaddleRunner, kind="legacy")
ALL_ENGINES: dict[str, Engine] = {
    "eager": Engine("Paddle, operator by operator", ProgramRunner),
    "paddle": Engine("Paddle Inference, no oneDNN", partial(PaddleRunner, kind="pir", setting="plain")),
    # The older format: it is faster, and its results are right. In the new one, Paddle 3.2.2 dispatches every bilinear
    # resize to oneDNN, which does not support align_corners=True (Paddle pull request 29103: its formula differs), so
    # the pyramid pooling of Fast-SCNN comes out wrong, with 0.9 % of the labels (docs/measurements.md). uint8 frames as
    # input gain nothing.
    "paddle-onednn": Engine("Paddle Inference, oneDNN", _legacy(setting="onednn")),
    # OpenVINO copies its input and converts it to its own layout and precision. With uint8 frames, a quarter of the
    # bytes, this takes 3 to 5 ms less of 70 ms.
    "paddle-openvino": Engine("Paddle Inference, OpenVINO", _legacy(setting="Float32", frames=True)),
    # bfloat16 flips 0.17 % of the labels on 6 validation frames of MiniScapes with a Fast-SCNN of profile mini (0.35 %
    # with its current recipe). Rounding the input alone flips 0.06 %, rounding the scores alone 0.04 %: keeping a
    # single layer in float32 does not fix it.
    "paddle-openvino-bf16": Engine(
        "Paddle Inference, OpenVINO in bfloat16", _legacy(setting="Bfloat16", frames=True), exact=False
    ),
    "paddle-gpu": Engine("Paddle Inference on a GPU, float16", _legacy(setting="gpu"), exact=False, gpu=True),
    "paddle-tensorrt": Engine(
        "Paddle Inference with TensorRT, float16",
        _legacy(setting="tensorrt"),
        exact=False,
        gpu=True,
        also=paddle_gpu.tensorrt_missing,
    ),
    "onnxruntime": Engine("ONNX Runtime", OnnxRuntimeRunner, package="onnxruntime"),
    # int8 changes about 1.5 % of the labels of Fast-SCNN, so "auto" takes these engines only if its limit is lowered.
    "onnxruntime-int8": Engine(
        "ONNX Runtime in int8", partial(OnnxRuntimeRunner, int8=True), package="onnxruntime", exact=False, int8=True
    ),
    "onnxruntime-cuda": _on_card("ONNX Runtime on a GPU", "float32"),
    "onnxruntime-cuda-tf32": _on_card("ONNX Runtime on a GPU, TF32", "tf32", exact=False),
    "onnxruntime-cuda-fp16": _on_card("ONNX Runtime on a GPU, float16", "float16", exact=False),
    "onnxruntime-tensorrt": _on_card(
        "ONNX Runtime with TensorRT, float16", "float16", exact=False, provider=card_engine.TENSORRT
    ),
    "openvino": Engine("OpenVINO", partial(OpenVinoRunner, precision="f32"), package="openvino"),
    "openvino-bf16": Engine(
        "OpenVINO in bfloat16", partial(OpenVinoRunner, precision="bf16"), package="openvino", exact=False
    ),
    "openvino-int8": Engine("OpenVINO in int8", OpenVinoInt8Runner, package="openvino", exact=False, int8=True),
}
# The engines of Paddle Inference that run on this machine; the others are used only by name.
ENGINES = {name: engine for name, engine in ALL_ENGINES.items() if name.startswith("paddle") and engine.missing is None}


def available() -> list[str]:
    """Return the names of all engines that run on this machine."""
    return [name for name, engine in ALL_ENGINES.items() if engine.missing is None]


def create(name: str, exported: Export, threads: int) -> Runner:
    """Return the engine `name` with `exported` loaded. Raises CourseError if it is unknown or does not run here."""
    if name not in ALL_ENGINES:
        raise CourseError(f"There is no engine {name!r}: choose auto or one of {', '.join(ALL_ENGINES)}.")
    missing = ALL_ENGINES[name].missing
    if missing:
        raise CourseError(
            f"The engine {name} does not run on this machine: {missing}, or choose one of {', '.join(available())}."
        )
    return ALL_ENGINES[name].create(exported, threads)
