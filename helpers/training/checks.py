"""What must hold before and during training, and the sentences if it does not."""

from __future__ import annotations

from pathlib import Path

import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.datasets import Frame
from helpers.profiles import Recipe
from helpers.training import checkpoint
from helpers.training.losses import check_losses


def check_recipe(recipe: Recipe, frames: list[Frame], val_frames: list[Frame] | None, processes: int) -> None:
    """Raise CourseError if `recipe` is not possible with these frames on this number of processes."""
    check_losses(recipe.losses)
    if not frames:
        raise CourseError("Expected at least one training frame, got an empty list: check `data_root`.")
    for name in ("batch_size", "iterations", "accumulate"):
        if (value := getattr(recipe, name)) < 1:
            raise CourseError(f"Expected a `{name}` of at least 1, got {value}: set it in profiles.toml.")
    if not 0 <= recipe.ema < 1:
        raise CourseError(f"Expected an `ema` from 0 to below 1, got {recipe.ema}: set it in profiles.toml.")
    if recipe.patience and not (recipe.validate_every and val_frames):
        raise CourseError(
            f"The recipe stops after {recipe.patience} validations without a better score, but nothing is validated: "
            "pass validation frames and set `validate_every`, or `patience` = 0."
        )
    batch = recipe.batch_size * recipe.accumulate * processes
    if batch > len(frames):
        raise CourseError(
            f"A batch of {batch} images is larger than the data set of {len(frames)} frames: "
            "lower `batch_size` or `accumulate` in profiles.toml, or start fewer processes."
        )


def require_finite(net: nn.Layer, iteration: int, recipe: Recipe, folder: Path) -> None:
    """Raise CourseError if a tensor of `net` is not finite after `iteration`, counted from 0."""
    for name, tensor in net.state_dict().items():
        if not bool(paddle.isfinite(tensor).all()):
            raise not_finite(f"The weights {name} are not finite", iteration, recipe, folder)


def not_finite(what: str, iteration: int, recipe: Recipe, folder: Path) -> CourseError:
    """Return the error for a loss or weights that are not finite, with the last good checkpoint in `folder`."""
    kept = sorted(folder.glob(checkpoint.PATTERN))
    return CourseError(
        f"{what} at iteration {iteration + 1} of {recipe.iterations}: try a learning rate below {recipe.lr} or a "
        f"longer warm-up than {recipe.warmup} iterations"
        + (f"; the last good checkpoint is {kept[-1]}." if kept else ".")
    )
