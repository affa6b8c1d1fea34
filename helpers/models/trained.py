"""The trained network that a notebook starts from: shipped with the course, or saved by an earlier notebook."""

from __future__ import annotations

from pathlib import Path

from paddle import nn

from helpers.common.errors import CourseError
from helpers.models import weight_files
from helpers.models.networks import build, count_classes
from helpers.models.pruned import PLAN, load_pruned, load_shipped
from helpers.models.weights import WEIGHTS, set_weights


def load_trained(name: str, weights: str, folder: str | Path, num_classes: int | None = None) -> nn.Layer:
    """Return the trained network `name`, in evaluation mode.

    `weights` is `Profile.weights`: with "miniscapes" the network comes from `weights/` of the course, and with another
    number of classes its classifiers are random; with "trained" it comes from `folder`, where a notebook saved it,
    pruned or not. `num_classes` is by default that of the weights. Raises CourseError for another value of `weights`,
    when there are no such weights, and if those of `folder` have another number of classes than `num_classes`.
    """
    if weights == "miniscapes":
        return load_shipped(name, num_classes)
    if weights != "trained":
        raise CourseError(f"Expected weights 'miniscapes' or 'trained', got {weights!r}: see profiles.toml.")
    folder = Path(folder)
    if not (folder / PLAN).is_file():
        return load_saved(name, folder / WEIGHTS, num_classes)
    net = load_pruned(folder)
    if num_classes not in (None, net.num_classes):
        raise CourseError(
            f"The pruned network in {folder} was trained for {net.num_classes} classes, this data set has "
            f"{num_classes}: prune a network of this data set, or choose another folder."
        )
    return net


def load_saved(name: str, path: str | Path, num_classes: int | None = None) -> nn.Layer:
    """Build the network `name` for the number of classes of the weights at `path`, and load them.

    Returned in evaluation mode. Raises CourseError if the weights are missing, damaged or of another network, or if
    they have another number of classes than `num_classes`.
    """
    saved = weight_files.read(path)
    net = build(name, count_classes(name, saved) if num_classes is None else num_classes)
    set_weights(net, saved, str(path))
    net.eval()
    return net
