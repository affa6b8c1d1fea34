"""Two networks with random weights, small frames for them, and a comparison of labels."""

import numpy as np
import paddle
from paddle import nn
from tiny_network import TinyNet

from helpers.datasets import normalise
from helpers.deployment import agreement, eager
from helpers.models import build


def tiny(seed: int) -> TinyNet:
    """Return a TinyNet with the random weights of `seed`."""
    paddle.seed(seed)
    return TinyNet()


def varied_fastscnn() -> nn.Layer:
    """Return a Fast-SCNN in evaluation mode, with random weights that predict several classes."""
    network = build("fastscnn", seed=7)
    rng = np.random.default_rng(7)
    for layer in network.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            for parameter, low, high in ((layer.weight, 0.5, 1.5), (layer.bias, -0.3, 0.3), (layer._mean, -0.2, 0.2)):
                parameter.set_value(rng.uniform(low, high, parameter.shape).astype(np.float32))
    network.eval()
    with paddle.no_grad():
        logits = network(paddle.to_tensor(normalise(frames(128, 256)[0])[np.newaxis]))[0]
        network.classifier.conv.bias.set_value(network.classifier.conv.bias - logits.mean([0, 2, 3]))
    assert len(np.unique(eager(network)(frames(128, 256)[0]))) > 5
    return network


def frames(height: int, width: int, batch: int = 1) -> np.ndarray:
    """Return patches of colour with noise, uint8 (batch, height, width, 3)."""
    rng = np.random.default_rng(height + width)
    patches = rng.integers(0, 200, (batch, -(-height // 16), -(-width // 16), 3), dtype=np.uint8)
    large = patches.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    return large + rng.integers(0, 56, large.shape, dtype=np.uint8)


def assert_same_labels(labels: np.ndarray, network: nn.Layer, frame: np.ndarray) -> None:
    """Check that `labels` equal the eager ones, except where two classes tie up to rounding."""
    with paddle.no_grad():
        logits = network(paddle.to_tensor(normalise(frame)[np.newaxis]))[0][0].numpy()  # (19, H, W)
    chosen = np.take_along_axis(logits, labels[np.newaxis].astype(int), axis=0)[0]
    assert (logits.max(axis=0) - chosen).max() < 1e-4 * logits.std()
    assert agreement(labels, eager(network)(frame)) > 0.999
