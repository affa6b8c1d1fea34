"""Switch a network to evaluation mode, or Paddle to the device of a network, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddle import nn


@contextmanager
def evaluation_mode(net: nn.Layer) -> Iterator[None]:
    """Keep `net` in evaluation mode inside the block, and restore its mode at the end."""
    was_training = net.training
    net.eval()
    try:
        yield
    finally:
        if was_training:
            net.train()


@contextmanager
def device_of(net: nn.Layer) -> Iterator[None]:
    """Run the block on the device that holds the weights of `net`, whatever the current device is.

    A network without weights runs on the current device.
    """
    before, weight = paddle.get_device(), next(iter(net.parameters()), None)
    try:
        if weight is not None:
            paddle.set_device(device_name(weight))
        yield
    finally:
        paddle.set_device(before)


def device_name(tensor: paddle.Tensor) -> str:
    """Return the device of a tensor as `paddle.set_device` takes it, such as "cpu" or "gpu:0"."""
    place = tensor.place
    if place.is_gpu_place():
        return f"gpu:{place.gpu_device_id()}"
    if place.is_custom_place():
        return f"{place.custom_device_type()}:{place.custom_device_id()}"
    return "cpu"
