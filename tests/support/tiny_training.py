"""Train the tiny network, and compare weights."""

from __future__ import annotations

import numpy as np
import paddle
from tiny_network import TINY_RECIPE, TinyNet

from helpers import training


def tiny(seed=0):
    paddle.seed(seed)
    return TinyNet()


def fit(frames, folder, net=None, recipe=TINY_RECIPE, **kwargs):
    net = net or tiny()
    return net, training.fit(net, frames, recipe, seed=0, folder=folder, device="cpu", **kwargs)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def weights(net):
    return {key: value.numpy() for key, value in net.state_dict().items()}


def assert_same_weights(one, two):
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], two[key], err_msg=key)
