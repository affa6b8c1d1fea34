"""Ways to run an exported graph on this machine, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import paddle

from helpers.common.errors import CourseError
from helpers.deployment.exports import Export
from helpers.deployment.other_engines import OnnxRuntimeRunner, OpenVinoRunner
from helpers.deployment.paddle_engine import PaddleRunner, ProgramRunner


class Runner(Protocol):
    """Runs a graph once: what `export` says goes in, what it says comes out. For one thread at a time.

    `takes_frames` tells whether with the graph "coarse" uint8 frames (N, H, W, 3) may go in, too.
    """

    takes_frames: bool

    def __call__(self, array: np.ndarray) -> np.ndarray: ...

    def clone(self) -> Runner: ...


@dataclass(frozen=True)
class Engine:
    """A way to run an export. `create` takes the export and a number of threads.

    `package` is what must be installed beside Paddle, `exact` whether it computes in float32 throughout, `gpu` whether
    it needs one.
    """

    title: str
    create: Callable[[Export, int], Runner]
    package: str = ""
    exact: bool = True
    gpu: bool = False

    @property
    def missing(self) -> str | None:
        """What to do before it runs here, or None when nothing."""
        if self.gpu and not (paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count()):
            return "it needs an NVIDIA GPU and Paddle built for it (environment.yml)"
        if self.package and find_spec(self.package) is None:
            return f"its package is not installed: pip install {self.package}"
        return None


# In the new format Paddle 3.2.2 gives every bilinear resize to oneDNN, which knows no align_corners=True (Paddle pull
# request 29103 tells that its formula differs), so the pyramid pooling of Fast-SCNN comes out wrong. In the older
# format it comes out right, and faster.
# OpenVINO's engine copies what it gets, and turns it into its own layout and precision: with the frames themselves, a
# quarter of the bytes, that takes 3 to 5 of 70 ms less. oneDNN gains nothing.
# What bfloat16 costs, on 6 validation frames of MiniScapes with a Fast-SCNN of profile mini: 0.17 % of the labels flip
# (0.35 % with the recipe of now). Rounding the input alone flips 0.06 %, rounding the scores alone 0.04 %: no one layer
# in float32 mends it.
_legacy = partial(partial, PaddleRunner, kind="legacy")
ALL_ENGINES: dict[str, Engine] = {
    "eager": Engine("Paddle, operator by operator", ProgramRunner),
    "paddle": Engine("Paddle Inference, no oneDNN", partial(PaddleRunner, kind="pir", setting="plain")),
    "paddle-onednn": Engine("Paddle Inference, oneDNN", _legacy(setting="onednn")),
    "paddle-openvino": Engine("Paddle Inference, OpenVINO", _legacy(setting="Float32", frames=True)),
    "paddle-openvino-bf16": Engine(
        "Paddle Inference, OpenVINO in bfloat16", _legacy(setting="Bfloat16", frames=True), exact=False
    ),
    "paddle-gpu": Engine(
        "Paddle Inference on a GPU, TensorRT where there is one", _legacy(setting="gpu"), exact=False, gpu=True
    ),
    "onnxruntime": Engine("ONNX Runtime", OnnxRuntimeRunner, package="onnxruntime"),
    "openvino": Engine("OpenVINO", partial(OpenVinoRunner, precision="f32"), package="openvino"),
    "openvino-bf16": Engine(
        "OpenVINO in bfloat16", partial(OpenVinoRunner, precision="bf16"), package="openvino", exact=False
    ),
}
# Those of Paddle Inference that run here; the others are asked for by name.
ENGINES = {name: engine for name, engine in ALL_ENGINES.items() if name.startswith("paddle") and engine.missing is None}


def available() -> list[str]:
    """Names of all engines that run on this machine."""
    return [name for name, engine in ALL_ENGINES.items() if engine.missing is None]


def create(name: str, exported: Export, threads: int) -> Runner:
    """The engine `name` on `exported`. Raises CourseError when there is no such engine, or not here."""
    if name not in ALL_ENGINES:
        raise CourseError(f"There is no engine {name!r}: choose auto or one of {', '.join(ALL_ENGINES)}.")
    missing = ALL_ENGINES[name].missing
    if missing:
        raise CourseError(f"The engine {name} does not run here: {missing}, or choose one of {', '.join(available())}.")
    return ALL_ENGINES[name].create(exported, threads)
