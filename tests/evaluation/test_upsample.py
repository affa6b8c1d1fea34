"""Labels of a live network against its full-size output."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from helpers import models
from helpers.evaluation import upsample


@pytest.mark.parametrize("name", ["fastscnn", "hrnet_w18_small_v1"])
def test_labels_of_a_network_are_the_argmax_of_its_output(name):
    net = models.build(name, seed=0)
    net.eval()
    image = paddle.to_tensor(np.random.default_rng(1).normal(size=(1, 3, 64, 96)).astype(np.float32))
    with paddle.no_grad():
        logits = net(image)
        labels = upsample.labels(net, image)
    expected = logits[0].numpy()[0]
    chosen = np.take_along_axis(expected, labels[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(chosen, expected.max(axis=0), atol=1e-5)
    assert len(logits) == len(net(image))  # the auxiliary output is enabled again


class Ends(paddle.nn.Layer):
    """A network with a step `after` its resize."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def forward(self, x):
        logits = F.interpolate(paddle.concat([x] * 7, axis=1)[:, :19, ::4, ::4], paddle.shape(x)[2:], mode="bilinear")
        return [self.after(logits)]


@pytest.mark.parametrize("after", [lambda logits: -logits, lambda logits: logits], ids=["negated", "nothing"])
def test_a_step_after_the_resize_is_not_lost(after):
    net = Ends(after)
    image = paddle.to_tensor(np.random.default_rng(2).normal(size=(1, 3, 16, 16)).astype(np.float32))
    expected = net(image)[0].numpy()[0]
    labels = upsample.labels(net, image)
    chosen = np.take_along_axis(expected, labels[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(chosen, expected.max(axis=0), atol=1e-5)
