"""The training loop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from PIL import Image

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.cpu.layers import fast_training
from helpers.datasets import Frame
from helpers.datasets.samples import GENERATORS, training_batches
from helpers.evaluation import scores
from helpers.models.weights import WEIGHTS, save_weights
from helpers.profiles import Recipe
from helpers.training import checkpoint, distributed
from helpers.training.distributed import World
from helpers.training.history import BEST, History, save_history
from helpers.training.losses import check_losses, class_weights, segmentation_loss
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
    """Train `net` in place; write its weights to `model.pdparams` and its curves to `history.json` in `folder`.

    A checkpoint is written every minute. The same call on the same folder resumes an interrupted run and ends with the
    same weights. Earlier results in `folder` are replaced only when training is complete.

    Under `paddle.distributed.launch` every process makes the same call. Each takes `recipe.batch_size` images of every
    batch, and the first one writes the files.

    Parameters
    ----------
    net : nn.Layer
        Network that maps images (N, 3, H, W) float32 to a list of logits (N, 19, h, w), main output first.
    frames : list of Frame
        Training frames.
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
        Scored every `recipe.validate_every` iterations and at the end. The best weights are kept in `best.pdparams`.
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
        If the recipe does not fit the frames, or if the loss or a weight is not finite. The last good checkpoint is
        kept.
    """
    world = distributed.join(device)
    folder = Path(folder)
    _check(recipe, frames, world)
    say = print if world.first else _print_nothing
    optimiser, schedule = build_optimiser(recipe, net)
    scaler = paddle.amp.GradScaler(enable=recipe.amp and paddle.get_device().startswith("gpu"))
    if world.first:
        checkpoint.clear_unfinished(folder)
    run = checkpoint.identity(net, frames, recipe, seed, world.size)
    history = checkpoint.resume(folder, run, net, optimiser, scaler, say) or History()
    done = len(history.loss)
    distributed.agree(world, done, "the iteration to resume from")
    distributed.broadcast(world, net)
    schedule.step(done)
    loss_fn = _recipe_loss(recipe, frames) if loss_fn is None else _locked(loss_fn)

    net.train()
    started, saved = time.monotonic() - history.seconds, time.monotonic()
    batches = training_batches(frames, recipe, seed, done, world.rank, world.size, workers)
    with (
        progress(total=recipe.iterations, initial=done, desc=name, unit="step", disable=not world.first) as bar,
        fast_training(net),
        distributed.synchronised_batch_norm(world, net),
        _scalars(folder / SCALARS if scalars and world.first else None) as scalar,
    ):
        for iteration, (image, label) in enumerate(_timed(batches, history), start=done):
            _seed_dropout(seed, iteration, world.rank)
            loss = _step(net, image, label, loss_fn, optimiser, scaler, world)
            if not math.isfinite(loss):
                raise _not_finite(f"The loss became {loss}", iteration, recipe, folder)
            history.loss.append(loss)
            history.lr.append(optimiser.get_lr())
            schedule.step()

            count = iteration + 1
            history.seconds = time.monotonic() - started
            scalar("train/loss", loss, count)
            scalar("train/lr", history.lr[-1], count)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
            if recipe.validate_every and (count % recipe.validate_every == 0 or count == recipe.iterations):
                _validate(world, net, val_frames, folder, history, watch, scalar)
                history.seconds = time.monotonic() - started
            if time.monotonic() - saved > CHECKPOINT_SECONDS and world.first:
                _require_finite(net, iteration, recipe, folder)
                checkpoint.save(folder, run, net, optimiser, scaler, history)
                saved = time.monotonic()
    net.eval()
    if world.first:
        _require_finite(net, recipe.iterations - 1, recipe, folder)
        save_weights(net, folder / WEIGHTS)
        save_history(folder, history, run)
        checkpoint.clear(folder)
    world.wait()
    return history


def _step(
    net: nn.Layer,
    image: paddle.Tensor,
    label: paddle.Tensor,
    loss_fn: LossFn,
    optimiser: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    world: World,
) -> float:
    """Train on one batch: forward, loss, backward, update. Return the loss, averaged over the processes.

    A loss that is not finite does not change the weights.
    """
    with paddle.amp.auto_cast(enable=scaler.is_enable()):
        outputs = net(image)
        loss = loss_fn(outputs, label)
    scaler.scale(loss).backward()
    value = distributed.mean(world, loss.item())  # waits for a GPU, so only now: backward is already queued
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


def _check(recipe: Recipe, frames: list[Frame], world: World) -> None:
    check_losses(recipe.losses)
    if not frames:
        raise CourseError("Expected at least one training frame, got an empty list: check `data_root`.")
    batch = recipe.batch_size * world.size
    if batch > len(frames):
        raise CourseError(
            f"A batch of {batch} images is larger than the data set of {len(frames)} frames: "
            "lower `batch_size` in profiles.toml, or start fewer processes."
        )
    with Image.open(frames[0].image) as image:
        width, height = image.size
    if recipe.crop_hw[0] > height or recipe.crop_hw[1] > width:
        raise CourseError(
            f"The crop of {recipe.crop_hw[0]} x {recipe.crop_hw[1]} pixels is larger than the frames of {height} x "
            f"{width}: lower `crop_hw` in profiles.toml."
        )


def _recipe_loss(recipe: Recipe, frames: list[Frame]) -> LossFn:
    weights = paddle.to_tensor(class_weights(frames, recipe.class_balance))
    return partial(segmentation_loss, output_weights=recipe.aux_weights, class_weights=weights, losses=recipe.losses)


def _timed(batches: paddle.io.DataLoader, history: History) -> Iterator:
    """Yield the batches, and add the time spent waiting for them to `history.waiting`."""
    source = iter(batches)
    while True:
        begun = time.monotonic()
        batch = next(source, None)
        history.waiting += time.monotonic() - begun
        if batch is None:
            return
        yield batch


def _validate(world, net, val_frames, folder, history, watch, scalar) -> None:
    """Score the validation frames, save the weights if they are the best so far, and call `watch`."""
    count = len(history.loss)
    net.eval()
    if val_frames:
        matrix = distributed.evaluate(world, net, val_frames, desc=f"validating after {count}")
        miou = scores(matrix).miou
        best = max(history.miou, default=-1.0)
        history.validated.append(count)
        history.miou.append(miou)
        scalar("val/miou", miou, count)
        if world.first and miou > best:
            save_weights(net, folder / BEST)
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


def _require_finite(net: nn.Layer, iteration: int, recipe: Recipe, folder: Path) -> None:
    for name, tensor in net.state_dict().items():
        if not bool(paddle.isfinite(tensor).all()):
            raise _not_finite(f"The weights {name} are not finite", iteration, recipe, folder)


def _not_finite(what: str, iteration: int, recipe: Recipe, folder: Path) -> CourseError:
    kept = sorted(folder.glob(checkpoint.PATTERN))
    return CourseError(
        f"{what} at iteration {iteration + 1} of {recipe.iterations}: try a learning rate below {recipe.lr} or a "
        f"longer warm-up than {recipe.warmup} iterations"
        + (f"; the last good checkpoint is {kept[-1]}." if kept else ".")
    )


def _print_nothing(*_: object) -> None:
    """Replace `print` in all processes but the first."""
