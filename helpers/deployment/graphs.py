"""What goes into a graph and what comes out of it: a network with the way to it and from it, ready to be traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.static import InputSpec

from helpers.common.errors import CourseError
from helpers.datasets import MEAN, STD

_NORMALISE = {"type": "Normalize", "mean": list(MEAN), "std": list(STD)}


class _Labels(nn.Layer):
    """The whole way from frames to labels as one graph: uint8 (N, H, W, 3) to int32 (N, H, W)."""

    about = {"input_shape": [-1, -1, -1, 3], "transforms": [], "output_op": "argmax", "output_dtype": "int32"}

    def __init__(self, net: nn.Layer):
        super().__init__()
        self.net = net

    @staticmethod
    def spec(size_hw: tuple[int | None, int | None], batch: int | None) -> InputSpec:
        return InputSpec([batch, *size_hw, 3], "uint8", "frames")

    def forward(self, frames):
        logits = self.net(_normalised(frames))[0]  # (N, 19, H, W); the auxiliary output is left out
        return paddle.argmax(logits, axis=1, dtype="int32")


class _Logits(nn.Layer):
    """The network alone: float32 (N, 3, H, W), normalised, to logits (N, 19, H, W)."""

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
    """The network without its last enlargement: float32 (N, 3, H, W), normalised, to logits (N, 19, h, w)."""


class CoarseOfFrames(_Labels):
    """The same from frames as they are: uint8 (N, H, W, 3), a quarter of the bytes, to logits (N, 19, h, w)."""

    def forward(self, frames):
        return self.net(_normalised(frames))[0]


def _normalised(frames):
    # The steps of helpers.datasets.normalise, in the same order, so that no rounding differs. Rearranged first, while
    # a value is one byte.
    mean, std = (paddle.to_tensor(values, "float32").reshape([3, 1, 1]) for values in (MEAN, STD))
    return (frames.transpose([0, 3, 1, 2]).astype("float32") / 255.0 - mean) / std


GRAPHS: dict[str, type[nn.Layer]] = {"coarse": _Coarse, "labels": _Labels, "logits": _Logits}


@dataclass(frozen=True)
class Resize:
    """Which call of `interpolate` in a network's forward pass makes its main output, from 0, and its corners."""

    number: int
    align_corners: bool


def last_resize(net: nn.Layer) -> Resize | None:
    """The bilinear enlargement that makes the main output of `net`, or None when something else does.

    Found by a forward pass on a small image. Raises CourseError when the enlargement is of another kind.
    """
    calls: list[tuple[Any, str, bool, bool]] = []
    original = F.interpolate

    def watched(x, size=None, scale_factor=None, mode="nearest", align_corners=False, align_mode=0, data_format="NCHW"):
        output = original(x, size, scale_factor, mode, align_corners, align_mode, data_format)
        calls.append((output, mode, bool(align_corners), align_mode == 0 and data_format == "NCHW"))
        return output

    was_training = net.training
    net.eval()
    F.interpolate = watched
    try:
        with paddle.no_grad():
            main = net(paddle.zeros([1, 3, 64, 96]))[0]
    finally:
        F.interpolate = original
        if was_training:
            net.train()
    for number, (output, mode, align_corners, usual) in enumerate(calls):
        if output is main:
            if mode != "bilinear" or not usual:
                raise CourseError(
                    f"The network enlarges its logits in mode {mode!r}: only plain bilinear can be done "
                    'outside of the graph, so export it with graph="logits".'
                )
            return Resize(number, align_corners)
    return None


@contextmanager
def without_resize(resize: Resize | None) -> Iterator[None]:
    """Inside, the forward pass of one network that is traced once leaves this enlargement out."""
    original, calls = F.interpolate, []

    # All parameters by name, and nothing but plain calls: Paddle's tracer rewrites this function, too.
    def interpolate(
        x, size=None, scale_factor=None, mode="nearest", align_corners=False, align_mode=0, data_format="NCHW"
    ):
        calls.append(1)
        if resize is not None and len(calls) == resize.number + 1:
            return x
        return original(x, size, scale_factor, mode, align_corners, align_mode, data_format)

    F.interpolate = interpolate
    try:
        yield
    finally:
        F.interpolate = original
