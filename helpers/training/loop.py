"""The training loop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from helpers import models
from helpers.common.errors import CourseError
from helpers.common.locks import locked
from helpers.common.progress import progress
from helpers.cpu.layers import fast_training
from helpers.datasets import Frame
from helpers.datasets.samples import GENERATORS, training_batches
from helpers.evaluation import scores
from helpers.models.weights import set_classes
from helpers.profiles import Recipe
from helpers.training import checkpoint, distributed
from helpers.training.averaging import Average
from helpers.training.checks import check_recipe, not_finite, require_finite
from helpers.training.distributed import World
from helpers.training.history import BEST, History, save_history
from helpers.training.losses import accumulating, class_weights, segmentation_loss
from helpers.training.memory import check_memory
from helpers.training.schedule import optimiser as build_optimiser

CHECKPOINT_SECONDS = 60
SCALARS = "visualdl"

LossFn = Callable[[list[paddle.Tensor], paddle.Tensor], paddle.Tensor]


def fit(
    net: nn.Layer,
    frames: list[Frame],
    recipe: Recipe,
    *,
    seed: int,
    folder: str | Path,
    device: str = "auto",
    workers: int = 0,
    name: str = "training",
    loss_fn: LossFn | None = None,
    val_frames: list[Frame] | None = None,
    watch: Callable[[int, nn.Layer], None] | None = None,
    scalars: bool = False,
) -> History:
    """Train `net` in place; write its weights to `model.safetensors` and its curves to `history.json` in `folder`.

    A checkpoint is written every minute. The same call on the same folder resumes an interrupted run and ends with the
    same weights. Earlier results in `folder` are replaced only when training is complete. Two calls on one folder at
    the same time are refused.

    With `recipe.ema` the averaged weights are scored and saved, and those of `net` at the end. With `recipe.patience`
    training may stop early, and `net` ends with its best weights.

    Under `paddle.distributed.launch` every process makes the same call. Each takes `recipe.batch_size` images of every
    batch, and the first one writes the files.

    Parameters
    ----------
    net : nn.Layer
        Network that maps images (N, 3, H, W) float32 to a list of logits (N, classes, h, w), main output first.
    frames : list of Frame
        Training frames; they may differ in size, and be smaller than a crop.
    recipe : Recipe
        Crops, optimiser, schedule and loss.
    seed : int
        Determines the order of the frames, their augmentation and dropout.
    folder : str or Path
        Folder of the run.
    device : str, default "auto"
        "auto", "cpu" or "gpu:0"; see `helpers.devices.use_device`.
    workers : int, default 0
        Number of loader processes; 0 loads in a thread of this process.
    name : str, default "training"
        Title of the progress bar.
    loss_fn : callable, optional
        Maps (outputs, train ids (N, H, W) int64) to a scalar. Default: the losses of the recipe, see
        `segmentation_loss`.
    val_frames : list of Frame, optional
        Scored every `recipe.validate_every` iterations and at the end. The best weights are kept in `best.safetensors`.
    watch : callable, optional
        Called after each validation with the iteration, counted from 1, and the network in evaluation mode.
    scalars : bool, default False
        Log loss, learning rate and scores for VisualDL.

    Returns
    -------
    History
        Loss, learning rate and validation scores.

    Raises
    ------
    CourseError
        If the recipe does not fit the frames or the memory, a frame cannot be read, another run writes to `folder`, or
        the loss or a weight is not finite. The last good checkpoint is kept.
    """
    world = distributed.join(device)
    folder = Path(folder)
    check_recipe(recipe, frames, val_frames, world.size)
    with locked(folder, "choose another output folder") if world.first else contextlib.nullcontext():
        return _fit(world, net, frames, recipe, seed, folder, workers, name, loss_fn, val_frames, watch, scalars)


def _fit(world, net, frames, recipe, seed, folder, workers, name, loss_fn, val_frames, watch, scalars) -> History:
    say = print if world.first else _print_nothing
    optimiser, schedule = build_optimiser(recipe, net)
    scaler = paddle.amp.GradScaler(enable=recipe.amp and paddle.get_device().startswith("gpu"))
    average = Average(recipe.ema)
    check_memory(net, recipe, say)
    if world.first:
        checkpoint.clear_unfinished(folder)
    run = checkpoint.identity(net, frames, recipe, seed, world.size)
    history = checkpoint.resume(folder, run, net, optimiser, scaler, average, say) or History()
    done = len(history.loss)
    distributed.agree(world, done, "the iteration to resume from")
    distributed.broadcast(world, net)
    schedule.step(done)
    loss_fn = _recipe_loss(recipe, frames) if loss_fn is None else _locked(loss_fn)

    net.train()
    started, saved = time.monotonic() - history.seconds, time.monotonic()
    with (
        contextlib.closing(training_batches(frames, recipe, seed, done, world.rank, world.size, workers)) as batches,
        progress(total=recipe.iterations, initial=done, desc=name, unit="step", disable=not world.first) as bar,
        fast_training(net),
        distributed.synchronised_batch_norm(world, net),
        _scalars(folder / SCALARS if scalars and world.first else None) as scalar,
    ):
        average.start(net)
        for iteration, parts in enumerate(_timed(batches, recipe.accumulate, history), start=done):
            _seed_dropout(seed, iteration, world.rank)
            loss = _step(net, parts, loss_fn, optimiser, scaler, world)
            if not math.isfinite(loss):
                raise not_finite(f"The loss became {loss}", iteration, recipe, folder)
            history.loss.append(loss)
            history.lr.append(optimiser.get_lr())
            schedule.step()

            count = iteration + 1
            average.update(net, count)
            history.seconds = time.monotonic() - started
            scalar("train/loss", loss, count)
            scalar("train/lr", history.lr[-1], count)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
            if recipe.validate_every and (count % recipe.validate_every == 0 or count == recipe.iterations):
                with average.applied(net):
                    _validate(world, net, val_frames, folder, history, watch, scalar)
                history.seconds = time.monotonic() - started
                if recipe.patience and history.validations_since_best() >= recipe.patience:
                    say(f"Stopped after {count} of {recipe.iterations} iterations: the score no longer improves.")
                    break
            if time.monotonic() - saved > CHECKPOINT_SECONDS and world.first:
                require_finite(net, iteration, recipe, folder)
                checkpoint.save(folder, run, net, optimiser, scaler, average, history)
                saved = time.monotonic()
    net.eval()
    set_classes(net, len(frames[0].dataset.classes), frames[0].dataset.classes.names)
    average.copy_to(net)
    if recipe.patience:
        if world.first:
            models.load_weights(net, folder / BEST)
        distributed.broadcast(world, net)
    if world.first:
        require_finite(net, len(history.loss) - 1, recipe, folder)
        models.save_weights(net, folder / models.WEIGHTS, frames[0].dataset.classes)
        save_history(folder, history, run)
        checkpoint.clear(folder)
    world.wait()
    return history


def _step(
    net: nn.Layer,
    parts: list[tuple[paddle.Tensor, paddle.Tensor]],
    loss_fn: LossFn,
    optimiser: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    world: World,
) -> float:
    """Train on the batches of one iteration: forward, loss and backward of each, one update.

    Return the loss, averaged over batches and processes. A loss that is not finite does not change the weights.
    """
    losses = []
    with accumulating([label for _, label in parts]):
        for image, label in parts:
            with paddle.amp.auto_cast(enable=scaler.is_enable()):
                loss = loss_fn(net(image), label) / len(parts)
            scaler.scale(loss).backward()
            losses.append(loss)
    value = distributed.mean(world, sum(loss.item() for loss in losses))  # waits for a GPU: backward is queued before
    if math.isfinite(value):
        distributed.average_gradients(world, net)
        scaler.step(optimiser)
        scaler.update()
    optimiser.clear_grad(set_to_zero=False)  # free the gradients: zeros would have to be written and added to
    return value


def _seed_dropout(seed: int, iteration: int, rank: int) -> None:
    """Seed Paddle's generator from seed and iteration, so that a resumed run needs no saved generator."""
    paddle.seed(int(np.random.SeedSequence((seed, iteration, rank)).generate_state(1)[0]))


def _locked(loss_fn: LossFn) -> LossFn:
    """Hold the lock on Python's and NumPy's generators in `loss_fn`, which may draw random numbers.

    Loading threads swap in their own states while they hold it.
    """

    def locked(outputs: list[paddle.Tensor], label: paddle.Tensor) -> paddle.Tensor:
        with GENERATORS:
            return loss_fn(outputs, label)

    return locked


def _recipe_loss(recipe: Recipe, frames: list[Frame]) -> LossFn:
    weights = paddle.to_tensor(class_weights(frames, recipe.class_balance))
    return partial(segmentation_loss, output_weights=recipe.aux_weights, class_weights=weights, losses=recipe.losses)


def _timed(batches: Iterator, count: int, history: History) -> Iterator[list]:
    """Yield lists of `count` batches, and add the time spent waiting for them to `history.waiting`."""
    while True:
        begun = time.monotonic()
        parts = list(islice(batches, count))
        history.waiting += time.monotonic() - begun
        if not parts:
            return
        yield parts


def _validate(world, net, val_frames, folder, history, watch, scalar) -> None:
    """Score the validation frames, save the weights if they are the best so far, and call `watch`."""
    count = len(history.loss)
    net.eval()
    if val_frames:
        matrix = distributed.evaluate(world, net, val_frames, desc=f"validating after {count}")
        miou = scores(matrix).miou
        if not math.isfinite(miou):
            raise CourseError(
                f"Expected labelled pixels in the {len(val_frames)} validation frames, got none: check their labels."
            )
        best = max(history.miou, default=-1.0)
        history.validated.append(count)
        history.miou.append(miou)
        scalar("val/miou", miou, count)
        if world.first and miou > best:
            models.save_weights(net, folder / BEST, val_frames[0].dataset.classes)
    if watch is not None and world.first:
        watch(count, net)
    net.train()


@contextlib.contextmanager
def _scalars(folder: Path | None) -> Iterator[Callable[[str, float, int], None]]:
    """Yield a function (tag, value, iteration) that logs for VisualDL into `folder`, or does nothing for None."""
    if folder is None:
        yield lambda tag, value, iteration: None
        return
    from visualdl import LogWriter  # takes a second to import

    with LogWriter(logdir=str(folder)) as writer:
        yield lambda tag, value, iteration: writer.add_scalar(tag=tag, value=value, step=iteration)


def _print_nothing(*_: object) -> None:
    """Replace `print` in all processes but the first."""
