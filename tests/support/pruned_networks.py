"""Inputs and outputs of networks that are pruned."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

SIZE = (128, 256)


def logits(network: nn.Layer, image: np.ndarray) -> np.ndarray:
    with paddle.no_grad():
        return network(paddle.to_tensor(image))[0].numpy()


def image(height: int, width: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(height * width).normal(size=(batch, 3, height, width)).astype(np.float32)


def two_convolutions() -> nn.Layer:
    paddle.seed(2)
    return nn.Sequential(nn.Conv2D(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2D(8, 4, 3, padding=1))
