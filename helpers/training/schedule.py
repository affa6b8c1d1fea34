"""Learning rate schedule and optimiser."""

from __future__ import annotations

from dataclasses import replace

import paddle
from paddle import nn

from helpers.common.errors import CourseError
from helpers.profiles import Recipe


def learning_rate(recipe: Recipe, iteration: int) -> float:
    """Return the learning rate of an iteration, counted from 0: linear warm-up, then polynomial decay.

    lr(i) = (lr - min_lr) * (1 - i / n) ** power + min_lr, where i and n do not count the warm-up.
    """
    if iteration < recipe.warmup:
        return recipe.lr * (iteration + 1) / (recipe.warmup + 1)
    left = 1 - (iteration - recipe.warmup) / (recipe.iterations - recipe.warmup)
    return (recipe.lr - recipe.min_lr) * max(0.0, left) ** recipe.power + recipe.min_lr


def scaled(recipe: Recipe, batch: int) -> Recipe:
    """Return `recipe` for batches of `batch` images, which see as many images in total.

    The learning rate changes in proportion to the images per iteration (Goyal et al. 2017, arXiv:1706.02677); with Adam
    and AdamW, to their square root (Malladi et al. 2022, arXiv:2205.10287). Iterations change inversely. Gradients are
    no longer accumulated. Raise CourseError if `batch` is not positive.
    """
    if batch < 1:
        raise CourseError(f"Expected a batch of at least 1, got {batch}.")
    factor = batch / (recipe.batch_size * recipe.accumulate)
    rate = factor if recipe.optimiser == "sgd" else factor**0.5
    counts = {name: round(getattr(recipe, name) / factor) for name in ("iterations", "warmup", "validate_every")}
    counts["iterations"] = max(1, counts["iterations"])
    return replace(recipe, batch_size=batch, accumulate=1, lr=recipe.lr * rate, min_lr=recipe.min_lr * rate, **counts)


# Adam adds weight decay to the gradient, so weights with small gradients shrink fastest. AdamW shrinks all weights by
# the same factor (Loshchilov and Hutter 2019).
_ADAPTIVE = {"adam": paddle.optimizer.Adam, "adamw": paddle.optimizer.AdamW}


def optimiser(recipe: Recipe, net: nn.Layer) -> tuple[paddle.optimizer.Optimizer, paddle.optimizer.lr.LRScheduler]:
    """Build the optimiser of the recipe for the parameters of `net`, and its schedule, stepped once per iteration.

    Raise CourseError unless the optimiser is sgd, adam or adamw.
    """
    schedule = paddle.optimizer.lr.LambdaDecay(1.0, lambda iteration: learning_rate(recipe, iteration))
    if recipe.optimiser == "sgd":
        made = paddle.optimizer.Momentum(
            schedule,
            recipe.momentum,
            parameters=net.parameters(),
            weight_decay=recipe.weight_decay,
            use_multi_tensor=True,  # one call for all tensors: U-HRNet has 368
        )
    elif recipe.optimiser in _ADAPTIVE:
        made = _ADAPTIVE[recipe.optimiser](schedule, parameters=net.parameters(), weight_decay=recipe.weight_decay)
    else:
        raise CourseError(f"Unknown optimiser {recipe.optimiser!r}: choose sgd, adam or adamw in profiles.toml.")
    return made, schedule
