"""How long an eager network takes for one image."""

from __future__ import annotations

import time
from statistics import median

import paddle
from paddle import nn


def latency_ms(net: nn.Layer, size_hw: tuple[int, int], repeats: int = 3) -> tuple[float, float, float]:
    """Milliseconds for one image of `size_hw` pixels in evaluation mode, after one run that is not counted: median,
    smallest and largest of `repeats`. The logits are fetched, so the work is done on a GPU too."""
    was_training = net.training
    net.eval()
    image = paddle.rand([1, 3, *size_hw])
    seconds = []
    with paddle.no_grad():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            net(image)[0].numpy()
            seconds.append(1000 * (time.perf_counter() - start))
    if was_training:
        net.train()
    return median(seconds[1:]), min(seconds[1:]), max(seconds[1:])
