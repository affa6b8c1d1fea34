"""The receptive field of HRNet's branches: worked out by hand from its design, and measured with gradients."""

import numpy as np
import pytest

from helpers import models
from helpers.common.errors import CourseError
from helpers.models import receptive_field

NAME = "hrnet_w18_small_v2"


@pytest.fixture(scope="module")
def cost():
    return models.cost(NAME, (64, 128))


# Stage, stride, number of 3x3 convolutions without and with stride 2. Stage 1 has two bottlenecks of one 3x3 each; then
# one 3x3 per transition, and 4, 12 and 8 in the branches of stages 2, 3 and 4.
@pytest.mark.parametrize(
    "stage, stride, threes, twos",
    [(0, 4, 0, 2), (1, 4, 2, 2), (2, 4, 7, 2), (2, 8, 6, 3), (4, 4, 27, 2), (4, 32, 26, 5)],
)
def test_chain_has_the_convolutions_of_the_design(cost, stage, stride, threes, twos):
    chain = receptive_field.hrnet_chain(cost, stage, stride)
    steps = receptive_field.strides(cost, chain)
    kernels = [layer.kernel_hw[0] for layer in chain]
    assert np.prod(steps) == stride and steps.count(2) == twos
    assert sum(kernel == 3 and step == 1 for kernel, step in zip(kernels, steps, strict=True)) == threes


def test_chain_names_branches_that_do_not_exist(cost):
    for stage, stride in ((2, 16), (0, 8), (4, 64)):
        with pytest.raises(CourseError, match="no branch"):
            receptive_field.hrnet_chain(cost, stage, stride)


def test_measured_field_before_the_first_exchange(cost):
    net = models.build(NAME, 3, seed=0)
    image = np.random.default_rng(0).normal(size=(3, 96, 128)).astype(np.float32)
    for stage, stride, field in ((0, 4, 7), (2, 4, 63)):
        chain = receptive_field.hrnet_chain(cost, stage, stride)
        found = receptive_field.gradient(net, image, chain[-1].name)
        assert found.shape == (96, 128) and receptive_field.extent(found) == (field, field)
        kernels = [each.kernel_hw[0] for each in chain]
        assert receptive_field.side(kernels, receptive_field.strides(cost, chain)) == field
    for layer, sentence in (
        ("nothing", "no layer 'nothing'"),
        ("backbone", "computes a map, got 'backbone'"),  # a list of maps
    ):
        with pytest.raises(CourseError, match=sentence):
            receptive_field.gradient(net, image, layer)


def test_a_layer_that_never_runs_has_no_field():
    net = models.build("uhrnet_w18_small", 3, seed=0)
    with pytest.raises(CourseError, match="computes a map, got 'backbone.last_layer'"):
        receptive_field.gradient(net, np.zeros((3, 64, 64), np.float32), "backbone.last_layer")


def test_nothing_has_no_extent():
    assert receptive_field.extent(np.zeros((4, 4))) == (0, 0)
