"""Parameters and multiply-accumulates of a network, counted layer by layer, and its latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import numpy as np
import paddle
from paddle import nn

from helpers.devices import synchronize
from helpers.models.modes import device_of, evaluation_mode
from helpers.models.naming import is_auxiliary
from helpers.models.networks import build, without_initialisation
from helpers.models.sizes import padded_hw, stride_of


@dataclass(frozen=True)
class LayerCost:
    """One convolution: its name, its channels and kernel, and the size (height, width) of its output."""

    name: str
    in_channels: int
    out_channels: int
    kernel_hw: tuple[int, int]
    groups: int
    out_hw: tuple[int, int]
    macs: int


@dataclass(frozen=True)
class Cost:
    """Parameters of a network that compute, and multiply-accumulates of its convolutions, for one image.

    `size_hw` is the image's size in pixels, `padded_hw` the size to which the network pads it before it computes.
    `params` counts the trainable parameters of layers that run.
    """

    size_hw: tuple[int, int]
    padded_hw: tuple[int, int]
    params: int
    layers: tuple[LayerCost, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all convolutions."""
        return sum(layer.macs for layer in self.layers)

    @property
    def gmacs(self) -> float:
        """Multiply-accumulates in 10^9. Papers call them "GFLOPs" or "G"."""
        return self.macs / 1e9

    def share_by_stride(self) -> dict[int, float]:
        """Return the share (0 to 1) of the multiply-accumulates at each stride: 4 is a quarter of the height."""
        shares: dict[int, float] = {}
        for layer in self.layers:
            stride = round(self.padded_hw[0] / layer.out_hw[0])
            shares[stride] = shares.get(stride, 0.0) + layer.macs / self.macs
        return dict(sorted(shares.items()))


def cost(net: nn.Layer | str, size_hw: tuple[int, int], auxiliary: bool = False) -> Cost:
    """Count parameters and convolution multiply-accumulates of `net` for one image of `size_hw` pixels.

    `net`: a network, or the name of one, which is then built without drawing its weights: the W48 pair has 250 million.

    Convolutions only, no bias, batch norm, activation or interpolation: a k x k convolution from C_in to C_out
    channels in g groups costs k * k * C_in / g * C_out at each of its output pixels, those of the padding included:
    a network pads images to multiples of its stride. Auxiliary heads, which an exported
    network does not carry, count with `auxiliary=True`.

    Parameters count if their layer runs. PaddleSeg's U-HRNet also builds `backbone.last_layer`, which its forward pass
    never calls: of 13.32 million parameters (published as 13.3) U-HRNet-W18-small computes with 13.24, and U-HRNet-W48
    of 182.51 (published as 182.6) with 181.94. The other networks of the table compute with all of theirs.
    """
    if isinstance(net, str):
        with without_initialisation():
            net = build(net)
    with device_of(net), _recorded_convolutions(net) as recorded, _recorded_calls(net) as called:
        net(paddle.zeros([1, 3, *size_hw]))
    params = 0
    for prefix, layer in net.named_sublayers(include_self=True):
        if auxiliary if is_auxiliary(prefix) else id(layer) in called:
            own = layer.parameters(include_sublayers=False)
            params += sum(int(parameter.size) for parameter in own if not parameter.stop_gradient)
    layers = tuple(layer for layer in recorded if auxiliary or not is_auxiliary(layer.name))
    return Cost(tuple(size_hw), padded_hw(size_hw, stride_of(net)), params, layers)


@contextmanager
def _recorded_calls(net: nn.Layer) -> Iterator[set[int]]:
    """Collect the id of every layer that runs."""
    called: set[int] = set()
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: called.add(id(layer)))
        for layer in net.sublayers(include_self=True)
    ]
    try:
        yield called
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _recorded_convolutions(net: nn.Layer) -> Iterator[list[LayerCost]]:
    # Only shapes matter, so every convolution is replaced by one that returns zeros of the right shape: counting
    # HRNet-W48 at 512x1024 takes a second instead of a minute. Weights, statistics and mode stay as they were.
    recorded: list[LayerCost] = []
    convolutions = [(name, layer) for name, layer in net.named_sublayers() if isinstance(layer, nn.Conv2D)]
    for name, layer in convolutions:
        layer.forward = _shape_only(name, layer, recorded)
    try:
        with paddle.no_grad(), evaluation_mode(net):
            yield recorded
    finally:
        for _, layer in convolutions:
            del layer.forward


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
    """Measure the latency of one image of `size_hw` pixels in evaluation mode.

    Return median, smallest and largest of `repeats`, in milliseconds, after one run that is not counted. A run ends
    when the device has finished.
    """
    seconds = []
    with device_of(net), paddle.no_grad(), evaluation_mode(net):
        image = paddle.rand([1, 3, *size_hw])
        for _ in range(repeats + 1):
            synchronize()
            start = time.perf_counter()
            net(image)
            synchronize()
            seconds.append(1000 * (time.perf_counter() - start))
    return median(seconds[1:]), min(seconds[1:]), max(seconds[1:])
