"""The graphs to export: a network together with its preprocessing and postprocessing, ready to be traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.static import InputSpec

from helpers.datasets import MEAN, STD
from helpers.models.modes import evaluation_mode
from helpers.models.sizes import remove_padding, uncropped
from helpers.paddle_compat import keep_device

_NORMALISE = {"type": "Normalize", "mean": list(MEAN), "std": list(STD)}


class _Labels(nn.Layer):
    """Frames to labels: uint8 (N, H, W, 3) to train ids int32 (N, H, W)."""

    about = {"input_shape": [-1, -1, -1, 3], "transforms": [], "output_op": "argmax", "output_dtype": "int32"}

    def __init__(self, net: nn.Layer):
        super().__init__()
        self.net = net

    @staticmethod
    def spec(size_hw: tuple[int | None, int | None], batch: int | None) -> InputSpec:
        return InputSpec([batch, *size_hw, 3], "uint8", "frames")

    def forward(self, frames):
        logits = self.net(_normalised(frames))[0]  # (N, classes, H, W), without the auxiliary output
        return paddle.argmax(logits, axis=1, dtype="int32")


class _Logits(nn.Layer):
    """The network alone: normalised images float32 (N, 3, H, W) to logits (N, classes, H, W)."""

    about = {
        "input_shape": [-1, 3, -1, -1],
        "transforms": [_NORMALISE],
        "output_op": "none",
        "output_dtype": "float32",
    }

    def __init__(self, net: nn.Layer):
        super().__init__()
        self.net = net

    @staticmethod
    def spec(size_hw: tuple[int | None, int | None], batch: int | None) -> InputSpec:
        return InputSpec([batch, 3, *size_hw], "float32", "x")

    def forward(self, x):
        return self.net(x)[0]


class _Coarse(_Logits):
    """The network without its last resize: normalised images float32 (N, 3, H, W) to logits (N, classes, h, w).

    H and W must be multiples of the network's stride. The caller pads, because a graph for any size would copy every
    image twice, also one that needs no padding.
    """

    def __init__(self, net: nn.Layer):
        super().__init__(net)
        remove_padding(net)


class CoarseOfFrames(_Labels):
    """The same for frames: uint8 (N, H, W, 3), a quarter of the bytes, to logits (N, classes, h, w)."""

    def __init__(self, net: nn.Layer):
        super().__init__(net)
        remove_padding(net)

    def forward(self, frames):
        return self.net(_normalised(frames))[0]


def _normalised(frames):
    # The steps of helpers.datasets.normalise in the same order, so that rounding is the same. Transposed first, while a
    # value is one byte.
    mean, std = (paddle.to_tensor(values, "float32").reshape([3, 1, 1]) for values in (MEAN, STD))
    return (frames.transpose([0, 3, 1, 2]).astype("float32") / 255.0 - mean) / std


GRAPHS: dict[str, type[nn.Layer]] = {"coarse": _Coarse, "labels": _Labels, "logits": _Logits}


@dataclass(frozen=True)
class Resize:
    """The call of `interpolate` in a forward pass that computes the main output: its index, and how it aligns."""

    index: int
    align_corners: bool


@dataclass(frozen=True)
class MainOutput:
    """The first output of a network: its number of classes, and the plain bilinear resize that computes it, if any."""

    num_classes: int
    resize: Resize | None


def main_output(net: nn.Layer) -> MainOutput:
    """Describe the main output of `net`, from a forward pass on a small image."""
    calls: list[tuple[Any, str, bool, bool]] = []
    original = F.interpolate

    def watched(x, size=None, scale_factor=None, mode="nearest", align_corners=False, align_mode=0, data_format="NCHW"):
        output = original(x, size, scale_factor, mode, align_corners, align_mode, data_format)
        calls.append((output, mode, bool(align_corners), align_mode == 0 and data_format == "NCHW"))
        return output

    F.interpolate = watched
    try:
        with paddle.no_grad(), evaluation_mode(net), uncropped():
            main = net(paddle.zeros([1, 3, 64, 96]))[0]
    finally:
        F.interpolate = original
    for index, (output, mode, align_corners, usual) in enumerate(calls):
        if output is main:
            plain = mode == "bilinear" and usual
            return MainOutput(main.shape[1], Resize(index, align_corners) if plain else None)
    return MainOutput(main.shape[1], None)


@contextmanager
def without_resize(resize: Resize | None) -> Iterator[None]:
    """Leave `resize` out of the one forward pass that runs inside the block; None leaves nothing out."""
    original, calls = F.interpolate, []

    # Named parameters and plain calls only, because Paddle's tracer rewrites this function, too.
    def interpolate(
        x, size=None, scale_factor=None, mode="nearest", align_corners=False, align_mode=0, data_format="NCHW"
    ):
        calls.append(1)
        if resize is not None and len(calls) == resize.index + 1:
            return x
        return original(x, size, scale_factor, mode, align_corners, align_mode, data_format)

    F.interpolate = interpolate
    try:
        yield
    finally:
        F.interpolate = original


def save_graph(
    graph: nn.Layer,
    program: Path,
    left_out: Resize | None,
    size_hw: tuple[int | None, int | None] = (None, None),
    batch: int | None = None,
) -> None:
    """Trace `graph`, one of GRAPHS, without the resize `left_out`, and write it to `program`; None is any size.

    The device stays what it is, although tracing switches Paddle's mode.
    """
    graph.eval()
    with keep_device(), without_resize(left_out):
        static = paddle.jit.to_static(graph, input_spec=[graph.spec(size_hw, batch)], full_graph=True)
        paddle.jit.save(static, str(program.with_suffix("")))
