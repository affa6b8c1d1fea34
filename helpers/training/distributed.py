"""Data-parallel training: rank and size, broadcast weights, synchronised batch norm, averaged gradients.

Works the same way on GPUs (NCCL) and CPUs (gloo), alone and under `python -m paddle.distributed.launch`. Gradients are
averaged after the backward pass, in buckets of 128 MB. `paddle.DataParallel` overlaps the two, but on gloo its
communication would interleave with the sums of batch norm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import nn
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

from helpers import evaluation
from helpers.common.errors import CourseError
from helpers.datasets import Frame
from helpers.devices import use_device

SHOW_FROM = 50  # show a progress bar for validation above this number of frames


@dataclass(frozen=True)
class World:
    """The processes that train together: `rank` (0 to size - 1) of this one, and their number `size`."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes reach this point."""
        if self.size > 1:
            dist.barrier()


def join(device: str = "auto") -> World:
    """Select the device, and join the other processes if a launcher started several; safe to repeat.

    Raise CourseError if the device is not available.
    """
    size = int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))
    if size == 1:
        use_device(device)
        return World()
    own_gpu = os.environ.get("FLAGS_selected_gpus", "").split(",")[0]
    use_device(f"gpu:{own_gpu}" if device in ("auto", "gpu") and own_gpu else device)
    if not dist.is_initialized():
        dist.init_parallel_env()
    return World(dist.get_rank(), dist.get_world_size())


def agree(world: World, value: int, what: str) -> None:
    """Raise CourseError unless `value` is the same in all processes."""
    if world.size == 1:
        return
    found: list[paddle.Tensor] = []
    dist.all_gather(found, paddle.to_tensor([value], dtype="int64"))
    values = [int(each.item()) for each in found]
    if len(set(values)) > 1:
        raise CourseError(
            f"The processes disagree about {what}, {values}: put the files on a file system that all nodes share."
        )


def broadcast(world: World, net: nn.Layer) -> None:
    """Copy the parameters and statistics of process 0 to every process."""
    if world.size > 1:
        for tensor in net.state_dict().values():
            dist.broadcast(tensor, src=0)


def average_gradients(world: World, net: nn.Layer) -> None:
    """Replace every gradient by its mean over the processes."""
    if world.size > 1:
        fused_allreduce_gradients([each for each in net.parameters() if each.grad is not None], None)


def mean(world: World, value: float) -> float:
    """Return the mean of a number over the processes."""
    if world.size == 1:
        return value
    tensor = paddle.to_tensor([value], dtype="float64")
    dist.all_reduce(tensor)
    return tensor.item() / world.size


def evaluate(world: World, net: nn.Layer, frames: list[Frame], desc: str) -> np.ndarray:
    """Return the confusion matrix, int64 (classes, classes), of `net` over labelled frames, split over the processes.

    Integers are summed, so the result is exactly that of a single process.
    """
    count = len(frames[0].dataset.classes)
    matrix = np.zeros((count, count), dtype=np.int64)
    if mine := frames[world.rank :: world.size]:
        shown = desc if world.first and len(mine) > SHOW_FROM else None
        matrix += evaluation.evaluate(net, mine, desc=shown).matrix
    if world.size > 1:
        total = paddle.to_tensor(matrix)
        dist.all_reduce(total)
        matrix = total.numpy()
    return matrix


@contextmanager
def synchronised_batch_norm(world: World, net: nn.Layer) -> Iterator[None]:
    """Compute mean and variance of batch norm over the images of all processes, inside the context.

    On a GPU the layers are converted to `paddle.nn.SyncBatchNorm` permanently. It has no CPU kernel, so on a CPU the
    formula is applied with tensor operations, and the layers are restored on exit.
    """
    if world.size == 1:
        yield
        return
    if not paddle.get_device().startswith("cpu"):
        nn.SyncBatchNorm.convert_sync_batchnorm(net)
        yield
        return
    changed = [layer for layer in net.sublayers(include_self=True) if isinstance(layer, nn.BatchNorm2D)]
    for layer in changed:
        layer.forward = partial(_normalise, layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.forward


def _normalise(layer: nn.BatchNorm2D, x: paddle.Tensor) -> paddle.Tensor:
    if not layer.training:
        return nn.BatchNorm2D.forward(layer, x)
    y, mean, variance = _SynchronisedNorm.apply(x, layer.weight, layer.bias, layer._epsilon)
    with paddle.no_grad():
        for statistic, batch in ((layer._mean, mean), (layer._variance, variance)):
            statistic.set_value(layer._momentum * statistic + (1 - layer._momentum) * batch)
    return y


class _SynchronisedNorm(paddle.autograd.PyLayer):
    """y = (x - mean) / sqrt(variance + epsilon) * weight + bias for x (N, C, H, W), statistics over all processes.

    Ioffe and Szegedy 2015, algorithm 1, and its gradient, with every mean over the images of all processes. Each
    process has the same number of images, so the mean of means is the mean.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, epsilon):
        mean = _everywhere(x.mean([0, 2, 3]))
        centred = x - _column(mean)
        variance = _everywhere((centred * centred).mean([0, 2, 3]))
        inverse = paddle.rsqrt(variance + epsilon)
        normal = centred * _column(inverse)
        ctx.save_for_backward(normal, inverse, weight)
        return normal * _column(weight) + _column(bias), mean, variance

    @staticmethod
    def backward(ctx, upstream, _mean, _variance):
        normal, inverse, weight = ctx.saved_tensor()
        to_bias = upstream.sum([0, 2, 3])
        to_weight = (upstream * normal).sum([0, 2, 3])
        count = upstream.size // upstream.shape[1]
        # Subtract the mean of the gradient, and of its product with the normalised values, over all processes.
        means = _everywhere(paddle.stack([to_bias, to_weight]) / count)
        to_x = _column(weight * inverse) * (upstream - _column(means[0]) - normal * _column(means[1]))
        return to_x, to_weight, to_bias


def _everywhere(local: paddle.Tensor) -> paddle.Tensor:
    """Return the mean over the processes."""
    dist.all_reduce(local)
    return local / dist.get_world_size()


def _column(channels: paddle.Tensor) -> paddle.Tensor:
    return channels.reshape([1, -1, 1, 1])
