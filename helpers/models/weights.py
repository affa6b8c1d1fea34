"""Save the weights of a network, and load them. The number and the names of the classes travel with them.

A network carries them as two attributes: `num_classes`, and `class_names`, a tuple that is empty if they are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.datasets import Classes
from helpers.models import weight_files
from helpers.models.naming import is_needless
from helpers.models.weight_files import Saved

WEIGHTS = "model.safetensors"
_SHOWN = 3  # names of classes in a message
_CURE = "use weights of this data set, or train the network on it"


def set_classes(net: nn.Layer, num_classes: int | None, names: tuple[str, ...] = ()) -> None:
    """Note for how many classes `net` is, and their names where they are known."""
    net.num_classes, net.class_names = num_classes, tuple(names)


def save_weights(net: nn.Layer, path: str | Path, classes: Classes | None = None) -> None:
    """Write the parameters and statistics of `net` as safetensors, atomically.

    `classes`: those that `net` was trained for; by default those of the weights that it was loaded from.
    """
    names = tuple(classes.names) if classes else getattr(net, "class_names", ())
    number = len(names) or getattr(net, "num_classes", None)
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    weight_files.write(path, Saved(state, number, names))


def load_weights(
    net: nn.Layer, path: str | Path, classes: Classes | None = None, *, new_classifier: bool = False
) -> nn.Layer:
    """Load weights into `net` and return it in evaluation mode.

    Raises CourseError if the file is missing, damaged or malicious, or belongs to another network.

    Parameters
    ----------
    net : nn.Layer
        Network that the weights were saved from.
    path : str or Path
        A file of `save_weights`, or a .pdparams file that holds a state dict. No code in it is executed.
    classes : Classes, optional
        Those of the data set at hand. Weights that were trained for classes with other names are refused.
    new_classifier : bool, default False
        Accept weights for another number of classes; the classifiers then keep their values.
    """
    set_weights(net, weight_files.read(path), str(path), strict=not new_classifier, classes=classes)
    net.eval()
    return net


def set_weights(
    net: nn.Layer, saved: Saved, origin: str, *, strict: bool = True, classes: Classes | None = None
) -> None:
    """Copy the arrays of `saved` into `net`, in place; its mode does not change.

    Every tensor of the network needs an array of its shape. With `strict=False` some tensors keep their values: those
    that the network does not need to predict (`naming.is_needless`), and classifiers for another number of classes than
    that of `saved`. `origin` names the file in messages. With `classes`, those of the data set at hand, weights for
    classes with other names are refused.
    Raises CourseError if the two do not match; the network is then unchanged.
    """
    if strict and classes is not None and saved.class_names not in ((), tuple(classes.names)):
        raise CourseError(f"{_trained_for(saved, origin)}, this data set has {_listed(classes.names)}: {_CURE}.")
    own, state = net.state_dict(), saved.state
    names = own.keys() | state.keys()
    matching = {name for name in own.keys() & state.keys() if _matches(own[name], state[name])}
    differing = names - matching
    classifiers = _other_classifiers(differing, own, saved)
    if not strict:
        differing = {name for name in differing if not is_needless(name)} - classifiers
    elif differing and differing == classifiers:
        known = replace(saved, num_classes=len(state[min(classifiers)]))
        raise CourseError(
            f"{_trained_for(known, origin)}, this network is for {own[min(classifiers)].shape[0]}: {_CURE}."
        )
    if differing:
        raise CourseError(
            f"{origin} holds the weights of another network: {len(differing)} of {len(names)} tensors differ, "
            f"the first is {min(differing)}; build the network that it was saved from."
        )
    for name in matching:
        own[name].set_value(state[name].astype(_dtype(own[name]), copy=False))
    if not classifiers:
        set_classes(net, saved.num_classes or getattr(net, "num_classes", None), saved.class_names)


def _other_classifiers(differing: set[str], own: Mapping[str, paddle.Tensor], saved: Saved) -> set[str]:
    """Return the tensors whose first axis is the classes, if `own` has another number of them than `saved`."""
    lengths = {}
    for name in differing & own.keys() & saved.state.keys():
        now, before = tuple(own[name].shape), saved.state[name].shape
        if now[1:] == before[1:] and now[:1] != before[:1]:
            lengths[name] = now[0], before[0]
    trained = {before for _, before in lengths.values()} if saved.num_classes is None else {saved.num_classes}
    return {name for name, (_, before) in lengths.items() if trained == {before}}


def _trained_for(saved: Saved, origin: str) -> str:
    return f"{origin} was trained for {_listed(saved.class_names, saved.num_classes)}"


def _listed(names: tuple[str, ...], number: int | None = None) -> str:
    shown = ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])])
    return f"{number or len(names)} classes" + (f" ({shown})" if shown else "")


def _matches(tensor: paddle.Tensor, array: np.ndarray) -> bool:
    return tuple(tensor.shape) == array.shape and np.can_cast(array.dtype, _dtype(tensor), casting="same_kind")


def _dtype(tensor: paddle.Tensor) -> np.dtype:
    return np.dtype(str(tensor.dtype).removeprefix("paddle."))
