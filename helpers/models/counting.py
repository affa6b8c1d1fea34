"""Parameters and multiply-accumulates of a network, counted layer by layer, and its latency."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import numpy as np
import paddle
from paddle import nn

from helpers.models.networks import build, without_initialisation

# PaddleSeg's own names of the layers that exist for the auxiliary loss only. OCR's `aux_head` is none of them: its
# output goes into the main one.
AUXILIARY_PREFIXES = ("auxlayer",)
_AUXILIARY = re.compile(r"(^|\.)(auxlayer|aux_head\d)")


@dataclass(frozen=True)
class LayerCost:
    """One convolution: where it is, what it multiplies, and the size (height, width) of what it writes."""

    name: str
    in_channels: int
    out_channels: int
    kernel_hw: tuple[int, int]
    groups: int
    out_hw: tuple[int, int]
    macs: int


@dataclass(frozen=True)
class Cost:
    """Trainable parameters of a network and the multiply-accumulates of its convolutions for one image.

    `size_hw` is the image's size in pixels.
    """

    size_hw: tuple[int, int]
    params: int
    layers: tuple[LayerCost, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all convolutions."""
        return sum(layer.macs for layer in self.layers)

    @property
    def gmacs(self) -> float:
        """The same in 10^9: what papers call "GFLOPs" or "G" without saying so."""
        return self.macs / 1e9

    def share_by_stride(self) -> dict[int, float]:
        """Share (0 to 1) of the multiply-accumulates at each stride: 4 stands for maps of a quarter of the height."""
        shares: dict[int, float] = {}
        for layer in self.layers:
            stride = round(self.size_hw[0] / layer.out_hw[0])
            shares[stride] = shares.get(stride, 0.0) + layer.macs / self.macs
        return dict(sorted(shares.items()))


def cost(net: nn.Layer | str, size_hw: tuple[int, int], auxiliary: bool = False) -> Cost:
    """Count the parameters and convolution multiply-accumulates of `net` for one image of `size_hw` pixels.

    `net`: a network, or the name of one, which is then built without drawing its weights: the W48 pair has 250 million.

    Convolutions only, no bias, batch norm, activation or interpolation: a k x k convolution from C_in to C_out
    channels in g groups costs k * k * C_in / g * C_out at each of its output pixels. Auxiliary heads, which an
    exported network does not carry, count only when asked for.
    """

    if isinstance(net, str):
        with without_initialisation():
            net = build(net)

    def counts(name: str) -> bool:
        return auxiliary or not _AUXILIARY.search(name)

    params = sum(p.size for name, p in net.named_parameters() if not p.stop_gradient and counts(name))
    with _recorded_convolutions(net) as recorded:
        net(paddle.zeros([1, 3, *size_hw]))
    return Cost(
        size_hw=tuple(size_hw), params=int(params), layers=tuple(layer for layer in recorded if counts(layer.name))
    )


@contextmanager
def _recorded_convolutions(net: nn.Layer) -> Iterator[list[LayerCost]]:
    # Only shapes matter, so every convolution is replaced by one that returns zeros of the right shape: counting
    # HRNet-W48 at 512x1024 takes a second instead of a minute. Weights, statistics and mode stay as they were.
    recorded: list[LayerCost] = []
    convolutions = [(name, layer) for name, layer in net.named_sublayers() if isinstance(layer, nn.Conv2D)]
    was_training = net.training
    net.eval()
    for name, layer in convolutions:
        layer.forward = _shape_only(name, layer, recorded)
    try:
        with paddle.no_grad():
            yield recorded
    finally:
        for _, layer in convolutions:
            del layer.forward
        if was_training:
            net.train()


def _shape_only(name: str, layer: nn.Conv2D, recorded: list[LayerCost]) -> Callable[[paddle.Tensor], paddle.Tensor]:
    out_channels, in_per_group, kernel_h, kernel_w = layer.weight.shape

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        height, width = _output_hw(layer, x.shape[2:])
        recorded.append(
            LayerCost(
                name=name,
                in_channels=in_per_group * layer._groups,
                out_channels=out_channels,
                kernel_hw=(kernel_h, kernel_w),
                groups=layer._groups,
                out_hw=(height, width),
                macs=kernel_h * kernel_w * in_per_group * out_channels * height * width,
            )
        )
        return paddle.zeros([x.shape[0], out_channels, height, width], x.dtype)

    return forward


def _output_hw(layer: nn.Conv2D, input_hw: list[int]) -> tuple[int, int]:
    stride_hw = np.broadcast_to(layer._stride, 2)
    if isinstance(layer._padding, str) and layer._padding.lower() == "same":
        height, width = (-(-size // int(stride)) for size, stride in zip(input_hw, stride_hw, strict=True))
        return height, width
    padding_hw = np.broadcast_to(0 if layer._padding == "valid" else layer._padding, 2)
    dilation_hw = np.broadcast_to(layer._dilation, 2)
    height, width = (
        int((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
        for size, padding, dilation, kernel, stride in zip(
            input_hw, padding_hw, dilation_hw, layer.weight.shape[2:], stride_hw, strict=True
        )
    )
    return height, width


def latency_ms(net: nn.Layer, size_hw: tuple[int, int], repeats: int = 3) -> tuple[float, float, float]:
    """Milliseconds for one image of `size_hw` pixels in evaluation mode, after one run that is not counted: median,
    smallest and largest of `repeats`. The logits are fetched, so the work is done on a GPU too."""
    was_training = net.training
    net.eval()
    image = paddle.rand([1, 3, *size_hw])
    seconds = []
    with paddle.no_grad():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            net(image)[0].numpy()
            seconds.append(1000 * (time.perf_counter() - start))
    if was_training:
        net.train()
    return median(seconds[1:]), min(seconds[1:]), max(seconds[1:])
