"""The trained network that a notebook starts from: shipped with the course, or saved by an earlier notebook."""

from __future__ import annotations

from pathlib import Path

from paddle import nn

from helpers.common.errors import CourseError
from helpers.models.networks import build
from helpers.models.pruned import PLAN, load_pruned, load_shipped
from helpers.models.weights import WEIGHTS, load_weights


def load_trained(name: str, weights: str, folder: str | Path) -> nn.Layer:
    """Return the trained network `name`, in evaluation mode.

    `weights` is `Profile.weights`: with "miniscapes" the network comes from `weights/` of the course, with "trained"
    from `folder`, where a notebook saved it, pruned or not. Raises CourseError for another value, and when there are no
    such weights.
    """
    if weights == "miniscapes":
        return load_shipped(name)
    if weights != "trained":
        raise CourseError(f"Expected weights 'miniscapes' or 'trained', got {weights!r}: see profiles.toml.")
    folder = Path(folder)
    if (folder / PLAN).is_file():
        return load_pruned(folder)
    return load_weights(build(name), folder / WEIGHTS)
