"""The exit codes of all commands of the project."""

from __future__ import annotations

import sys
from collections.abc import Callable

from helpers.common.errors import CourseError


def exit_code(command: Callable[[], int | None], interrupted: str = "interrupted") -> int:
    """Run `command` and return its exit code (None counts as 0), 2 after a CourseError, 130 after Ctrl-C.

    Print the message of a CourseError, or `interrupted` after Ctrl-C, to standard error. Other exceptions propagate.
    """
    try:
        return command() or 0
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
