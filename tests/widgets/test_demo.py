"""What all demos share, with messages of a browser simulated."""

from __future__ import annotations

import asyncio

import ipywidgets as widgets
import pytest

from helpers.common.errors import CourseError
from helpers.widgets import demo as module
from helpers.widgets.demo import Demo


class Square(Demo):
    """Squares a number, and records what it computed and whether it was busy then."""

    def __init__(self):
        self.number, self.status = widgets.IntSlider(0, -9, 99, description="number"), widgets.HTML()
        self.computed, self.was_busy = [], []
        self._listen(self._compute, self.number)
        super().__init__([self.number, self.status])

    def _compute(self):
        self.was_busy.append(self.busy.on)
        if self.number.value == -1:
            raise CourseError("Expected <a number>, got -1: move the slider.")
        if self.number.value == -2:
            raise ZeroDivisionError("division by zero")
        self.computed.append(self.number.value**2)
        self.status.value = str(self.computed[-1])


@pytest.fixture
def square():
    return Square()


@pytest.fixture
def from_browser(square, monkeypatch):
    """`from_browser(1, 2)` moves the slider as a browser does."""
    monkeypatch.setattr(module, "_from_browser", lambda: True)

    def move(*values):
        async def messages():
            for value in values:
                square.number.value = value
                assert square.busy.on
                await asyncio.sleep(0)
            await asyncio.sleep(2 * module.PAUSE)

        asyncio.run(messages())

    return move


def test_python_gets_its_answer_at_once(square):
    square.number.value = 3
    assert square.computed == [9] and not square.busy.on


def test_last_value_of_a_browser_wins(square, from_browser):
    from_browser(*range(1, 51))
    assert square.computed == [2500] and square.was_busy == [True] and not square.busy.on
    from_browser(4)
    assert square.computed == [2500, 16]


def test_errors_are_sentences(square, from_browser):
    from_browser(-1)
    assert "Expected &lt;a number&gt;, got -1" in square.status.value and 'role="alert"' in square.status.value
    from_browser(-2)
    assert "ZeroDivisionError: division by zero. Run the cell again" in square.status.value
    from_browser(5)
    assert square.status.value == "25" and not square.busy.on


def test_python_sees_the_mistakes_of_a_demo(square):
    with pytest.raises(ZeroDivisionError):
        square.number.value = -2
