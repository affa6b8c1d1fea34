"""The progress line of the runner."""

from __future__ import annotations

import io

import pytest

from helpers.runner.status import Status, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (65, "1:05"), (3600, "1:00:00"), (7507, "2:05:07")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_log_gets_complete_lines():
    stream = io.StringIO()
    with Status("01_a", total=2, stream=stream) as status:
        status.next()
        status.next()
    assert stream.getvalue() == "01_a: started\n01_a: done in 0:00, 2 cells\n"


def test_terminal_line_is_redrawn():
    stream = Terminal()
    with Status("01_a", total=2, stream=stream) as status:
        status.next()
    assert stream.getvalue() == "\r\x1b[K01_a: cell 1 of 2, 0:00\r\x1b[K01_a: done in 0:00, 1 cells\n"


def test_failure_names_the_last_cell():
    stream = io.StringIO()
    with pytest.raises(ValueError), Status("01_a", total=2, stream=stream) as status:
        status.next()
        raise ValueError
    assert stream.getvalue().splitlines()[1] == "01_a: stopped at cell 1 after 0:00"
