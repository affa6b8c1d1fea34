"""Exit codes and messages of commands."""

import pytest

from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError


def raises(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (lambda: None, 0, ""),
        (lambda: 1, 1, ""),
        (raises(CourseError("Expected this: do that.")), 2, "Expected this: do that.\n"),
        (raises(KeyboardInterrupt()), 130, "interrupted: go on\n"),
    ],
)
def test_codes(command, code, message, capsys):
    assert exit_code(command, "interrupted: go on") == code
    assert capsys.readouterr().err == message


def test_other_exceptions_propagate():
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 / 0)
