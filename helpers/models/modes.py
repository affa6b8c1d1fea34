"""Switch a network to evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from paddle import nn


@contextmanager
def evaluation_mode(net: nn.Layer) -> Iterator[None]:
    """Keep `net` in evaluation mode inside the block, and restore its mode at the end."""
    was_training = net.training
    net.eval()
    try:
        yield
    finally:
        if was_training:
            net.train()
