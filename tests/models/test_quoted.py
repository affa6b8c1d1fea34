"""The counts that are quoted for Fast-SCNN, against the tools that print them."""

import contextlib
import io

import paddle
import pytest

from helpers import paddle_compat
from helpers.models import build, cost, fastscnn_counts

SIZE = (128, 256)


@pytest.fixture(scope="module")
def at_full_size():
    return {count.name.split(",")[0]: count for count in fastscnn_counts((1024, 2048))}


def test_the_figures_as_they_are_quoted(at_full_size):
    assert {name: round(count.giga, 3) for name, count in at_full_size.items()} == {
        "this course": 7.247,
        "with its auxiliary head": 7.870,
        "published": 7.209,
        "PaddleSlim 2.6": 6.957,
        "paddle.flops": 8.150,
    }


def test_published_network_is_built_and_counted_by_name(at_full_size):
    net = build("fastscnn_2020", seed=0)
    assert cost(net, (1024, 2048)).gmacs == pytest.approx(7.209, abs=5e-4)
    assert cost(net, (1024, 2048)).gmacs == at_full_size["published"].giga
    assert net(paddle.zeros([1, 3, 64, 96]))[0].shape == [1, 19, 64, 96]


def test_paddle_flops_gives_its_count(at_full_size):
    with contextlib.redirect_stdout(io.StringIO()):
        counted = paddle.flops(build("fastscnn"), [1, 3, *SIZE])
    assert counted == pytest.approx(fastscnn_counts(SIZE)[4].giga * 1e9, rel=1e-9)
    # Its head by hand: 3x3 from 64 to 32 channels, then 1x1 to 19, at 128 x 256 pixels.
    assert at_full_size["paddle.flops"].parts[1][1] == (9 * 64 * 32 + 32 * 19) * 128 * 256


def test_paddleslim_gives_its_count():
    net = build("fastscnn")
    net.enable_auxiliary_loss = False
    net.eval()
    with paddle_compat.slim_guard():
        from paddleslim.analysis import dygraph_flops

        counted = dygraph_flops(net, [1, 3, *SIZE])
    assert counted == pytest.approx(fastscnn_counts(SIZE)[3].giga * 1e9, rel=1e-9)


def test_reasons_are_named_and_add_up(at_full_size):
    ours = at_full_size["this course"].parts[0]
    for count in at_full_size.values():
        assert count.parts[0] == ours
        assert sum(amount for _, amount in count.parts) == pytest.approx(count.giga * 1e9)
    assert [round(amount / 1e9, 3) for _, amount in at_full_size["published"].parts[1:]] == [-0.537, 0.499]
