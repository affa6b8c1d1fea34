"""Recover accuracy after pruning: batch norm statistics, learning-rate rewinding, distillation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.datasets import Frame
from helpers.datasets.samples import training_batches
from helpers.models.modes import evaluation_mode
from helpers.profiles import Recipe
from helpers.training import class_weights, learning_rate, segmentation_loss
from helpers.training.loop import LossFn


def rewound(recipe: Recipe, iterations: int) -> Recipe:
    """Return the last `iterations` of `recipe` as a recipe for fine-tuning a pruned network.

    Learning-rate rewinding (Renda et al. 2020, arXiv:2003.02389): rewind the schedule, not the weights. The end of a
    schedule with polynomial decay is a schedule of the same form, with a lower initial learning rate.

    Raise CourseError unless 0 < `iterations` <= the iterations after the warm-up.
    """
    if not 0 < iterations <= recipe.iterations - recipe.warmup:
        raise CourseError(
            f"Cannot rewind by {iterations} iterations: the schedule has {recipe.iterations - recipe.warmup} after its "
            "warm-up."
        )
    start = learning_rate(recipe, recipe.iterations - iterations)
    return replace(recipe, iterations=iterations, lr=start, warmup=0, pretrained="")


@contextmanager
def distilled(
    student: nn.Layer,
    teacher: nn.Layer,
    frames: list[Frame],
    recipe: Recipe,
    *,
    share: float = 0.5,
    temperature: float = 1.0,
    stride: int = 8,
) -> Iterator[LossFn]:
    """Yield a loss with distillation, for `training.fit(student, ..., loss_fn=...)` inside the context.

    The loss is (1 - share) times the loss of the recipe, plus `share` times the cross-entropy between the softmaxes of
    teacher and student at `temperature`, times `temperature` squared (Hinton et al. 2015, arXiv:1503.02531). In the
    second term, pixels are weighted by the recipe's class weights, averaged over the teacher's probabilities.

    Raise CourseError for a share outside 0 to 1.

    Parameters
    ----------
    student : nn.Layer
        Network to train.
    teacher : nn.Layer
        Network to imitate; runs in evaluation mode and is not changed.
    frames : list of Frame
        Training frames, for the class weights.
    recipe : Recipe
        Losses, their weights and the balance of classes.
    share : float, default 0.5
        Weight of the teacher, 0 to 1.
    temperature : float, default 1.0
        Divides the logits of both networks before the softmax.
    stride : int, default 8
        Compare every `stride`-th pixel in both directions. Both networks work at 1/8 of the size; pixels in between
        are interpolated.
    """
    if not 0 <= share <= 1:
        raise CourseError(f"The share of the teacher in the loss must lie between 0 and 1, not {share}.")
    balance = paddle.to_tensor(class_weights(frames, recipe.class_balance))
    hard = partial(segmentation_loss, output_weights=recipe.aux_weights, class_weights=balance, losses=recipe.losses)
    seen: list[paddle.Tensor] = []
    # The loss receives outputs and labels only; the hook keeps the images for the teacher.
    hook = student.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    picked = (slice(None), slice(None), slice(stride // 2, None, stride), slice(stride // 2, None, stride))

    def loss_fn(outputs: list[paddle.Tensor], label: paddle.Tensor) -> paddle.Tensor:
        image = seen.pop()
        seen.clear()
        if share == 0:
            return hard(outputs, label)
        with paddle.no_grad():
            # The hook saw images that the student had padded, and its outputs are cropped.
            logits = teacher(image)[0][:, :, : outputs[0].shape[2], : outputs[0].shape[3]]
            target = F.softmax(logits[picked] / temperature, axis=1)  # (N, classes, H / stride, W / stride)
            weight = (target * balance.reshape([1, -1, 1, 1])).sum(axis=1)
        own = F.log_softmax(outputs[0][picked] / temperature, axis=1)
        soft = -((target * own).sum(axis=1) * weight).sum() / weight.sum() * temperature**2
        return (1 - share) * hard(outputs, label) + share * soft

    try:
        with evaluation_mode(teacher):
            yield loss_fn
    finally:
        hook.remove()


def refresh_statistics(
    net: nn.Layer, frames: list[Frame], recipe: Recipe, *, batches: int, seed: int = 0, desc: str = "batch norm"
) -> nn.Layer:
    """Estimate the means and variances of batch norm again from training crops, and return `net`.

    Pruning changes the activations, so the old statistics no longer fit them. Weights do not change.

    Parameters
    ----------
    net : nn.Layer
        Network to update in place.
    frames : list of Frame
        Training frames.
    recipe : Recipe
        Crops, augmentation and batch size.
    batches : int
        Number of batches to average over.
    seed : int, default 0
        Seed of the crops.
    desc : str, default "batch norm"
        Title of the progress bar; empty for none.
    """
    norms = [layer for layer in net.sublayers() if isinstance(layer, nn.BatchNorm2D)]
    sums = [[np.zeros(norm._mean.shape), np.zeros(norm._variance.shape)] for norm in norms]
    momentum = [norm._momentum for norm in norms]
    was_training = net.training
    net.train()
    try:
        for norm in norms:
            norm._momentum = 0.0  # the statistics of this batch alone
        chosen = replace(recipe, iterations=max(batches, recipe.iterations))
        with paddle.no_grad(), closing(training_batches(frames, chosen, seed)) as source:
            batch = islice(source, batches)
            for image, _ in progress(batch, desc=desc, total=batches, unit="batch") if desc else batch:
                net(image)
                for total, norm in zip(sums, norms, strict=True):
                    total[0] += norm._mean.numpy()
                    total[1] += norm._variance.numpy()
    finally:
        for norm, value in zip(norms, momentum, strict=True):
            norm._momentum = value
        if not was_training:
            net.eval()
    for (mean, variance), norm in zip(sums, norms, strict=True):
        norm._mean.set_value((mean / batches).astype(np.float32))
        norm._variance.set_value((variance / batches).astype(np.float32))
    return net
