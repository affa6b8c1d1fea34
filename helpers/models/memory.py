"""Estimate how much memory a training step needs."""

from __future__ import annotations

import copy

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.base import core

from helpers.models.modes import device_of
from helpers.models.networks import build
from helpers.models.sizes import padded_hw, stride_of

_BYTES = 4  # float32
_STATES = 2  # of Adam for each parameter; SGD with momentum has one
_SMALL_HW, _SMALL_BATCH = (128, 128), 2


def training_memory(
    net: nn.Layer | str, crop_hw: tuple[int, int], batch_size: int, num_classes: int | None = None
) -> int:
    """Estimate the bytes that training `net` in float32 needs at its peak, on top of Paddle itself.

    Weights, gradients and the state of Adam, and the activations that a forward pass with its loss keeps for the
    backward pass. These are measured with a small batch on a CPU, and are proportional to the number of pixels. Buffers
    of convolutions are not included. `net` is a network, which does not change, or the name of one, for `num_classes`.
    """
    net = build(net, num_classes) if isinstance(net, str) else net
    height, width = padded_hw(crop_hw, stride_of(net))
    pixels = batch_size * height * width
    small = _SMALL_BATCH * _SMALL_HW[0] * _SMALL_HW[1]
    tensors = net.state_dict().values()
    trained = sum(parameter.size for parameter in net.parameters() if not parameter.stop_gradient)
    fixed = _BYTES * (sum(tensor.size for tensor in tensors) + trained * (1 + _STATES))
    return round(fixed + _activations(net) * pixels / small)


def _activations(net: nn.Layer) -> int:
    """Return the bytes that a forward pass of a small batch and its loss keep."""
    before = paddle.get_device()
    try:
        paddle.set_device("cpu")
        with device_of(net):
            net = copy.deepcopy(net)
        net.to(device="cpu")
        net.train()
        image = paddle.zeros([_SMALL_BATCH, 3, *_SMALL_HW])
        start = _allocated()
        outputs = net(image)
        labels = [paddle.zeros([_SMALL_BATCH, *output.shape[2:]], "int64") for output in outputs]
        losses = [F.cross_entropy(output, label, axis=1) for output, label in zip(outputs, labels, strict=True)]
        kept = _allocated() - start
        del losses
        return kept
    finally:
        paddle.set_device(before)


def _allocated() -> int:
    return core.host_memory_stat_current_value("Allocated", 0)
