"""Losses: cross-entropy, OHEM, Dice, Lovász and weighted sums of them, over one or several outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import paddle
import paddle.nn.functional as F
from paddleseg.models import losses as upstream

from helpers import paddle_compat
from helpers.common.errors import CourseError
from helpers.cpu.cross_entropy import cross_entropy
from helpers.datasets import IGNORE, Frame, class_pixels

paddle_compat.apply()  # OHEM fails on Paddle 3 without it

# OHEM keeps at least a sixteenth of the crop, as in PaddleSeg's BiSeNetV2 config and the paper.
OHEM_SHARE = 16
OHEM_THRESHOLD = 0.7


# Labels of all batches whose gradients are averaged in this iteration, see `accumulating`.
_LABELS: ContextVar[Sequence[paddle.Tensor]] = ContextVar("_LABELS", default=())


def class_weights(frames: list[Frame], balance: float) -> np.ndarray:
    """Return the weight of each class in the cross-entropy, float32 (classes,).

    1 / ln(balance + share of the pixels), scaled to a mean of 1 over the labelled pixels; all ones if `balance` is 0.
    The formula is from ENet (Paszke et al. 2016, section 5.1), which sets `balance` to 1.02; larger values are milder.
    A class that does not occur in `frames` has a share of 0, and so the largest weight.

    Raise CourseError if `balance` is neither 0 nor above 1, if there are no frames, or if no pixel is labelled.
    """
    if not frames:
        raise CourseError("Expected at least one training frame, got an empty list: check `data_root`.")
    if balance and not balance > 1:
        raise CourseError(f"Expected a `class_balance` of 0 or above 1, got {balance}: set it in profiles.toml.")
    if not balance:
        return np.ones(len(frames[0].dataset.classes), dtype=np.float32)
    pixels = class_pixels(frames)
    if not pixels.any():
        raise CourseError(f"Expected labelled pixels in the {len(frames)} training frames, got none: check the labels.")
    share = pixels / pixels.sum()
    weights = 1 / np.log(balance + share)
    return (weights / (weights * share).sum()).astype(np.float32)


@contextmanager
def accumulating(labels: Sequence[paddle.Tensor]) -> Iterator[None]:
    """Within the block, weight the cross-entropy of each batch by its share of the labelled pixels of all `labels`.

    The mean of the losses of the batches is then the loss of one large batch.
    """
    token = _LABELS.set(labels)
    try:
        yield
    finally:
        _LABELS.reset(token)


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

    Raise CourseError for an unknown loss, for more outputs than factors, and if the numbers of classes differ.
    """
    if len(output_weights) < len(outputs):
        raise CourseError(
            f"The network has {len(outputs)} outputs, but the recipe weights only {len(output_weights)}: "
            "set one factor per output in `aux_weights` in profiles.toml."
        )
    if class_weights is None:
        class_weights = paddle.ones([outputs[0].shape[1]])
    if outputs[0].shape[1] != class_weights.shape[0]:
        raise CourseError(
            f"The network predicts {outputs[0].shape[1]} classes, but the data has {class_weights.shape[0]}: build it "
            "with `num_classes=len(nb.classes)`."
        )
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
    """Return the weight of a batch in the mean over all processes and accumulated batches: its labelled pixels
    relative to their mean.

    With it, the average over the batches is the mean over all pixels, as for one large batch.
    """
    world, labels = paddle.distributed.get_world_size(), _LABELS.get()
    if world == 1 and len(labels) < 2:
        return 1.0
    total = paddle.add_n([_weight(_shrink(each, label.shape[1:]), weights) for each in labels or [label]])
    if world > 1:
        paddle.distributed.all_reduce(total)
    return _weight(label, weights) * (world * max(1, len(labels))) / paddle.clip(total, min=1e-12)


def _weight(label: paddle.Tensor, weights: paddle.Tensor) -> paddle.Tensor:
    """Sum of the class weights of the labelled pixels."""
    known = label != IGNORE
    return (
        paddle.gather(weights, paddle.where(known, label, paddle.zeros_like(label)).flatten())
        * known.flatten().astype(weights.dtype)
    ).sum()


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
