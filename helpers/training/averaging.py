"""Moving average of the weights of a network during training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddle import nn


class Average:
    """Exponential moving average of the parameters and batch norm statistics of a network.

    After the n-th step, each tensor becomes d * average + (1 - d) * tensor with d = min(decay, (1 + n) / (10 + n)): the
    first weights, which are random, are forgotten fast (as in TensorFlow's ExponentialMovingAverage). With a decay of
    0 there is no average, and no method has an effect.

    Attributes
    ----------
    state : dict of str to Tensor
        The averages by their names in the network's state dict; empty until `start`.
    """

    def __init__(self, decay: float):
        self.decay = decay
        self.state: dict[str, paddle.Tensor] = {}

    def start(self, net: nn.Layer) -> None:
        """Copy the tensors of `net`, unless there is a state from a checkpoint."""
        if self.decay and not self.state:
            self.state = _copy(net)

    @paddle.no_grad()
    def update(self, net: nn.Layer, count: int) -> None:
        """Include the tensors of `net` after step `count`, counted from 1."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + count) / (10 + count))
        for name, tensor in net.state_dict().items():
            self.state[name] = decay * self.state[name] + (1 - decay) * tensor

    def copy_to(self, net: nn.Layer) -> None:
        """Replace the tensors of `net` by their averages."""
        if self.decay:
            net.set_state_dict(self.state)

    @contextmanager
    def applied(self, net: nn.Layer) -> Iterator[None]:
        """Replace the tensors of `net` by their averages within the block."""
        if not self.decay:
            yield
            return
        own = _copy(net)
        self.copy_to(net)
        try:
            yield
        finally:
            net.set_state_dict(own)


def _copy(net: nn.Layer) -> dict[str, paddle.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
