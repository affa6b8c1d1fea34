"""Cross-entropy has the values and gradients of Paddle's for any number of threads."""

import numba
import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cpu.cross_entropy import cross_entropy, exp_to


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(2, 19), st.tuples(*[st.integers(1, 90)] * 2), st.integers(0, 2**31 - 1))
def test_cross_entropy_equals_paddles(n, classes, size, seed):
    rng = np.random.default_rng(seed)
    label = paddle.to_tensor(rng.choice([*range(classes), 255], (n, *size)))
    label[0, 0, 0] = 0  # at least one pixel counts
    weights = paddle.to_tensor(rng.uniform(0.2, 5, classes).astype("float32"))
    values = rng.normal(0, 5, (n, classes, *size)).astype("float32")
    results = []
    for function in (
        lambda x: cross_entropy(x, label, weights, 255),
        lambda x: F.cross_entropy(x, label, weight=weights, ignore_index=255, axis=1),
    ):
        x = paddle.to_tensor(values, stop_gradient=False)
        loss = function(x)
        (3 * loss).backward()
        results.append((loss.item(), x.grad.numpy()))
    (ours, our_gradient), (theirs, their_gradient) = results
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)  # a loss near 0 is a difference of numbers near 1
    np.testing.assert_allclose(our_gradient, their_gradient, atol=1e-5)


def test_cross_entropy_does_not_depend_on_the_number_of_threads():
    logits, label = paddle.randn([2, 19, 100, 100]), paddle.randint(0, 19, [2, 100, 100])
    weights = paddle.ones([19])
    many = cross_entropy(logits, label, weights, 255).item()
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        assert cross_entropy(logits, label, weights, 255).item() == many
    finally:
        numba.set_num_threads(threads)


def test_exponential_is_exact_to_float32():
    x = np.linspace(-87, 0, 100_001, dtype=np.float32)
    out, power = np.empty_like(x), np.empty(x.size, np.int32)
    exp_to(x, np.zeros_like(x), power, out)
    np.testing.assert_allclose(out, np.exp(x.astype(np.float64)), rtol=2e-7)
    exp_to(np.full(1, -1e30, np.float32), np.zeros(1, np.float32), power[:1], out[:1])
    assert 0 < out[0] < 1e-37
