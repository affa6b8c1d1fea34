"""Save the weights of a network, and load them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from helpers.cityscapes import NUM_CLASSES
from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.models import pickles
from helpers.models.naming import is_needless

WEIGHTS = "model.pdparams"


def save_weights(net: nn.Layer, path: str | Path) -> None:
    """Write the parameters and statistics of `net` atomically."""
    with atomic_path(path) as temporary:
        paddle.save(net.state_dict(), str(temporary))


def load_weights(net: nn.Layer, path: str | Path) -> nn.Layer:
    """Load weights into `net` and return it in evaluation mode.

    `path` is a file of `save_weights`, or any .pdparams file that holds a state dict. No code in it is executed.
    Raises CourseError if the file is missing, damaged or malicious, or belongs to another network.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There are no weights at {path}: train the network first.")
    set_weights(net, pickles.load(path), str(path))
    net.eval()
    return net


def set_weights(net: nn.Layer, state: Mapping[str, np.ndarray], origin: str, *, strict: bool = True) -> None:
    """Copy the arrays of `state` into `net`, in place; its mode does not change.

    Every tensor of the network needs an array of its shape. With `strict=False` some keep their values: tensors that
    the network does not need to predict (`naming.is_needless`), and a classifier for other classes than the 19 of
    `state`. `origin` names the file in messages.
    Raises CourseError if the two do not match; the network is then unchanged.
    """
    own = net.state_dict()
    names = own.keys() | state.keys()
    matching = {name for name in own.keys() & state.keys() if _matches(own[name], state[name])}
    differing = names - matching
    if not strict:
        differing = {name for name in differing if not is_needless(name) and not _is_classifier(name, own, state)}
    if differing:
        raise CourseError(
            f"{origin} holds the weights of another network: {len(differing)} of {len(names)} tensors differ, "
            f"the first is {min(differing)}; build the network that it was saved from."
        )
    for name in matching:
        own[name].set_value(state[name].astype(_dtype(own[name]), copy=False))


def _is_classifier(name: str, own: Mapping[str, paddle.Tensor], state: Mapping[str, np.ndarray]) -> bool:
    if name not in own or name not in state:
        return False
    (classes, *inputs), (trained_classes, *trained_inputs) = own[name].shape, state[name].shape
    return classes != trained_classes == NUM_CLASSES and inputs == trained_inputs


def _matches(tensor: paddle.Tensor, array: np.ndarray) -> bool:
    return tuple(tensor.shape) == array.shape and np.can_cast(array.dtype, _dtype(tensor), casting="same_kind")


def _dtype(tensor: paddle.Tensor) -> np.dtype:
    return np.dtype(str(tensor.dtype).removeprefix("paddle."))
