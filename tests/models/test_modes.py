"""Evaluation mode and devices for a while."""

import paddle
import pytest
from tiny_network import TinyNet

from helpers.models.modes import device_name, device_of, evaluation_mode


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_mode_is_restored_also_after_an_error(training):
    net = TinyNet()
    net.train() if training else net.eval()
    with pytest.raises(KeyError), evaluation_mode(net):
        assert not net.training and not net.body[1].training
        raise KeyError
    assert net.training == net.body[1].training == training


def test_the_block_runs_where_the_weights_are_and_the_device_is_restored(monkeypatch):
    paddle.set_device("cpu")
    net, chosen = TinyNet(), []
    assert device_name(net.head.weight) == "cpu"
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:1")
    monkeypatch.setattr(paddle, "set_device", chosen.append)
    with pytest.raises(KeyError), device_of(net):
        assert chosen == ["cpu"]
        raise KeyError
    assert chosen == ["cpu", "gpu:1"]
    with device_of(paddle.nn.ReLU()):
        assert chosen == ["cpu", "gpu:1"]
