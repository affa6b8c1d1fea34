"""Tensors as arrays: only those in the memory of the CPU have addresses."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from paddle import nn

from helpers.cpu import arrays, layers, onednn


class Elsewhere:
    """Stands in for the place of a GPU."""

    def is_cpu_place(self) -> bool:
        return False

    def __str__(self) -> str:
        return "Place(gpu:0)"


ELSEWHERE = SimpleNamespace(place=Elsewhere(), is_contiguous=lambda: True)


def test_an_array_shares_the_memory_of_its_tensor():
    tensor = paddle.to_tensor([[1.0, 2.0]], place=paddle.CPUPlace())
    array = arrays.as_array(tensor)
    array[0, 1] = 5
    np.testing.assert_array_equal(tensor.numpy(), [[1, 5]])
    with pytest.raises(ValueError, match="contiguous"):
        arrays.as_array(paddle.zeros([2, 3]).t())


def test_tensors_elsewhere_are_refused():
    with pytest.raises(ValueError, match=r"tensors on the CPU, got one on Place\(gpu:0\): move it there"):
        arrays.as_array(ELSEWHERE)
    if onednn.available():
        with pytest.raises(ValueError, match="got one on Place"):
            onednn.conv2d(paddle.zeros([1, 3, 4, 4]), ELSEWHERE)


def test_fast_layers_ask_where_the_weights_are(monkeypatch):
    """The current device may differ, as after `paddle.set_device` on a machine with a GPU."""
    net = nn.Sequential(nn.Conv2D(3, 4, 3))
    original = nn.functional.interpolate
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    with layers.fast_prediction(net):
        assert nn.functional.interpolate is not original
    monkeypatch.setattr(layers, "place_of", lambda net: Elsewhere())
    with layers.fast_prediction(net), layers.fast_training(net):
        assert nn.functional.interpolate is original
