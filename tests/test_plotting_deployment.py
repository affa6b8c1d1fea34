import matplotlib.pyplot as plt
import pytest

from helpers.plotting.deployment import latencies


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_bars_whiskers_and_ratios():
    ax = latencies({"eager": (100.0, 90.0, 120.0), "fast": (25.0, 24.0, 30.0)})
    bars = [container for container in ax.containers if hasattr(container, "patches")][0]
    assert [bar.get_width() for bar in bars] == [100, 25]
    whiskers = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert whiskers == [[90, 120], [24, 30]]
    assert [text.get_text() for text in ax.texts] == ["100 ms", "25 ms, 4.0 x"]
    assert ax.get_xlim()[1] > 120  # room for the numbers
    assert ax.yaxis_inverted()  # the reference on top


def test_draws_on_the_axes_it_is_given():
    given = plt.subplots()[1]
    assert latencies({"eager": (1.0, 1.0, 1.0)}, given) is given
