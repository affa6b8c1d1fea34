"""Two training steps of every network, complete and pruned, under `fast_training` and in plain Paddle."""

from contextlib import nullcontext
from functools import lru_cache

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import models
from helpers.cpu.layers import fast_training
from helpers.pruning import Analysis
from helpers.training import segmentation_loss

BATCH = 4  # batch norm over two values, as after global pooling of a batch of 2, turns rounding into a change of sign
LR = 1e-4  # without warm-up, a rate of 2e-3 amplifies an error of 1e-7 in the weights to 2e-3 of the second loss
# The W48 designs have the layers of W18 with more channels, and two steps of them take minutes; the fuzzing of
# convolutions covers other numbers of channels.
NARROW = [name for name in models.NAMES if "w48" not in name]


def size_of(name):
    """Height and width of the images.

    The deepest maps of U-HRNet are 1/64 of it and need more than one pixel. ICNet pools maps of 1/32, and batch norm
    over the few values that are left of a smaller image magnifies rounding.
    """
    return 128 if name.startswith(("uhrnet", "icnet")) else 64


def two_steps(net, size, context):
    """Losses of two steps, and the gradients of all filters at the first one."""
    rng = np.random.default_rng(0)
    image = paddle.to_tensor(rng.normal(size=(BATCH, 3, size, size)).astype("float32"))
    label = paddle.to_tensor(rng.integers(0, 19, (BATCH, size, size)))
    optimiser = paddle.optimizer.SGD(LR, parameters=net.parameters())
    net.train()
    losses, gradients = [], {}
    with context:
        for step in range(2):
            paddle.seed(step)  # dropout
            loss = segmentation_loss(net(image), label, (1.0, 0.4, 0.4, 0.4, 0.4))
            loss.backward()
            if step == 0:
                filters = {name: p for name, p in net.named_parameters() if p.ndim == 4}
                gradients = {name: p.grad.numpy() for name, p in filters.items() if p.grad is not None}
            optimiser.step()
            optimiser.clear_grad()
            losses.append(loss.item())
    return losses, gradients


def assert_trains_equally(net, size):
    start = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    plain_losses, plain = two_steps(net, size, nullcontext())
    net.set_state_dict(start)
    fast_losses, fast = two_steps(net, size, fast_training(net))
    np.testing.assert_allclose(fast_losses, plain_losses, rtol=1e-3)
    assert list(fast) == list(plain)
    difference = sum(np.square(fast[name] - plain[name]).sum() for name in plain)
    # Rounding moves some values across the kink of a ReLU.
    assert difference**0.5 < 5e-2 * sum(np.square(gradient).sum() for gradient in plain.values()) ** 0.5


@pytest.mark.parametrize("name", NARROW)
def test_every_network_trains_as_in_paddle(name):
    assert_trains_equally(models.build(name, seed=0), size_of(name))


@lru_cache(maxsize=1)
def analysis(name):
    return Analysis(models.build(name, seed=0), (64, 128), name)


def pruned(name, plan):
    return models.apply_plan(models.build(name, seed=0), plan)


def curves(name):
    """Made-up sensitivity curves: each group loses more than the one before it."""
    groups = analysis(name).coupled
    return {g.master: {r: (i + 1) / len(groups) * r for r in (0.2, 0.5, 0.9)} for i, g in enumerate(groups)}


@pytest.mark.parametrize(
    ("cut", "options"),
    [
        (0.3, {}),
        (0.51, {}),
        (0.73, {}),
        (0.51, {"by_curves": True}),
        (0.73, {"by_curves": True}),
        (0.3, {"align": 8}),
        (0.51, {"align": 16}),
        (0.51, {"align": 32}),
        (0.51, {"criterion": "random"}),
    ],
)
def test_pruned_fastscnn_trains_as_in_paddle(cut, options):
    options = dict(options)
    if options.pop("by_curves", False):
        options["curves"] = curves("fastscnn")
    assert_trains_equally(pruned("fastscnn", analysis("fastscnn").plan_for(cut, **options)), 128)


@settings(max_examples=4, deadline=None)
@given(st.data())
def test_fastscnn_with_any_channel_counts_trains_as_in_paddle(data):
    ratios = {group.master: data.draw(st.floats(0, 0.95)) for group in analysis("fastscnn").coupled}
    plan = analysis("fastscnn").plan(ratios, criterion="random", seed=data.draw(st.integers(0, 99)))
    assert_trains_equally(pruned("fastscnn", plan), 128)


@pytest.mark.parametrize("options", [{}, {"align": 16}])
def test_pruned_hrnet_trains_as_in_paddle(options):
    name = "hrnet_w18_small_v2"
    assert_trains_equally(pruned(name, analysis(name).plan_for(0.51, **options)), size_of(name))
