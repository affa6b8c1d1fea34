"""Losses: cross-entropy, OHEM, Dice, Lovász and weighted sums of them, over one or several outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
import paddle.nn.functional as F
from paddleseg.models import losses as upstream

from helpers import paddle_compat
from helpers.cityscapes import NUM_CLASSES
from helpers.common.errors import CourseError
from helpers.cpu.cross_entropy import cross_entropy
from helpers.datasets import IGNORE, Frame, class_pixels

paddle_compat.apply()  # OHEM fails on Paddle 3 without it

# OHEM keeps at least a sixteenth of the crop, as in PaddleSeg's BiSeNetV2 config and the paper.
OHEM_SHARE = 16
OHEM_THRESHOLD = 0.7


def class_weights(frames: list[Frame], balance: float) -> np.ndarray:
    """Return the weight of each class in the cross-entropy, float32 (19,).

    1 / ln(balance + share of the pixels), scaled to a mean of 1 over the labelled pixels; all ones if `balance` is 0.
    The formula is from ENet (Paszke et al. 2016, section 5.1), which sets `balance` to 1.02; larger values are milder.
    """
    if not balance:
        return np.ones(NUM_CLASSES, dtype=np.float32)
    pixels = class_pixels(frames)
    share = pixels / pixels.sum()
    weights = 1 / np.log(balance + share)
    return (weights / (weights * share).sum()).astype(np.float32)


def segmentation_loss(
    outputs: list[paddle.Tensor],
    label: paddle.Tensor,
    output_weights: tuple[float, ...],
    class_weights: paddle.Tensor | None = None,
    losses: tuple[tuple[str, float], ...] = (("cross_entropy", 1.0),),
) -> paddle.Tensor:
    """Return the weighted sum of `losses` over the outputs of a network, a scalar.

    `outputs` are logits (N, classes, h, w), `label` are train ids (N, H, W) int64; ignored pixels do not count.
    `output_weights` has one factor per output, main output first. `losses` are names of LOSSES with their factors.
    `class_weights` float32 (classes,) weights pixels by class, in the cross-entropy only. An output smaller than the
    label, as in ICNet's cascade, is compared with every n-th label pixel.

    Raise CourseError for an unknown loss, and for more outputs than factors.
    """
    if len(output_weights) < len(outputs):
        raise CourseError(
            f"The network has {len(outputs)} outputs, but the recipe weights only {len(output_weights)}: "
            "set one factor per output in `aux_weights` in profiles.toml."
        )
    if class_weights is None:
        class_weights = paddle.ones([outputs[0].shape[1]])
    total = paddle.zeros([])
    for logits, output_weight in zip(outputs, output_weights, strict=False):
        seen = _shrink(label, logits.shape[2:])
        for name, factor in losses:
            total = total + output_weight * factor * _lookup(name)(logits, seen, class_weights)
    return total


def check_losses(losses: tuple[tuple[str, float], ...]) -> None:
    """Raise CourseError unless all losses are known and at least one has a positive factor."""
    for name, _ in losses:
        _lookup(name)
    if not any(factor > 0 for _, factor in losses):
        raise CourseError('The recipe has no loss with a positive factor: set losses = [["cross_entropy", 1.0]].')


def _lookup(name: str) -> Callable:
    if name not in LOSSES:
        raise CourseError(f"Unknown loss {name!r}: choose one of {', '.join(LOSSES)}.")
    return LOSSES[name]


def _shrink(label: paddle.Tensor, size_hw: list[int]) -> paddle.Tensor:
    if list(label.shape[1:]) == list(size_hw):
        return label
    return F.interpolate(label.unsqueeze(1).astype("float32"), size_hw, mode="nearest").squeeze(1).astype("int64")


def _cross_entropy(logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor) -> paddle.Tensor:
    return cross_entropy(logits, label, weights, IGNORE) * _share_of_mean(label, weights)


def _share_of_mean(label: paddle.Tensor, weights: paddle.Tensor) -> float | paddle.Tensor:
    """Return the weight of this process in the mean over all processes: its labelled pixels relative to the mean.

    With it, the average over processes is the mean over all pixels, as a single process would compute it.
    """
    world = paddle.distributed.get_world_size()
    if world == 1:
        return 1.0
    known = label != IGNORE
    weight = (
        paddle.gather(weights, paddle.where(known, label, paddle.zeros_like(label)).flatten())
        * known.flatten().astype(weights.dtype)
    ).sum()
    total = weight.clone()
    paddle.distributed.all_reduce(total)
    return weight * world / paddle.clip(total, min=1e-12)


def _ohem(logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor) -> paddle.Tensor:
    """Cross-entropy of the pixels whose true class has a probability below 0.7, at least a sixteenth of them."""
    loss = upstream.OhemCrossEntropyLoss(OHEM_THRESHOLD, max(1, label.size // OHEM_SHARE), IGNORE)
    return loss(logits, label)


def _dice(logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor) -> paddle.Tensor:
    """1 - Dice, averaged over images and classes. PaddleSeg's loss overwrites its label, so pass a copy."""
    return upstream.DiceLoss(ignore_index=IGNORE)(logits, label.clone())


def _lovasz(logits: paddle.Tensor, label: paddle.Tensor, weights: paddle.Tensor) -> paddle.Tensor:
    """Lovász-Softmax (Berman et al. 2018): a convex surrogate of 1 - IoU, averaged over the classes of the batch."""
    if not bool((label != IGNORE).any()):  # PaddleSeg's loss does not return a scalar then
        return logits.sum() * 0.0
    return upstream.LovaszSoftmaxLoss(IGNORE)(logits, label)


LOSSES: dict[str, Callable] = {"cross_entropy": _cross_entropy, "ohem": _ohem, "dice": _dice, "lovasz": _lovasz}
