"""Weights of a network as a file."""

from __future__ import annotations

from pathlib import Path

import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path

WEIGHTS = "model.pdparams"


def save_weights(net: nn.Layer, path: str | Path) -> None:
    """Write the parameters and statistics of `net`, whole or not at all."""
    with atomic_path(path) as temporary:
        paddle.save(net.state_dict(), str(temporary))


def load_weights(net: nn.Layer, path: str | Path) -> nn.Layer:
    """Load weights into `net` and return it in evaluation mode.

    Raises CourseError when the file is missing or belongs to another network.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There are no weights at {path}: train the network first.")
    state = paddle.load(str(path))
    own = net.state_dict()
    unlike = [key for key in own.keys() | state.keys() if key not in own or key not in state]
    unlike += [key for key in own if key in state and list(own[key].shape) != list(state[key].shape)]
    if unlike:
        raise CourseError(
            f"{path} holds the weights of another network: {len(unlike)} of {len(own)} tensors differ, "
            f"the first is {sorted(unlike)[0]}; build the network that it was saved from."
        )
    net.set_state_dict(state)
    net.eval()
    return net
