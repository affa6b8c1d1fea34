"""A Fast-SCNN, its analysis, and the network that is left of half of it."""

import numpy as np
import pytest
from paddle import nn
from pruned_networks import SIZE

from helpers.models import build
from helpers.pruning import Analysis, Plan, prune


@pytest.fixture(scope="session")
def net() -> nn.Layer:
    """Fast-SCNN with batch norms that are not the identity, as after training."""
    network = build("fastscnn", seed=5)
    rng = np.random.default_rng(5)
    for layer in network.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            for parameter, low, high in (
                (layer.weight, 0.5, 1.5),
                (layer.bias, -0.3, 0.3),
                (layer._mean, -0.2, 0.2),
                (layer._variance, 0.5, 1.5),
            ):
                parameter.set_value(rng.uniform(low, high, parameter.shape).astype(np.float32))
    network.eval()
    return network


@pytest.fixture(scope="session")
def analysis(net) -> Analysis:
    return Analysis(net, SIZE)


@pytest.fixture(scope="session")
def half(net) -> tuple[nn.Layer, Plan]:
    return prune(net, 0.51, SIZE)
