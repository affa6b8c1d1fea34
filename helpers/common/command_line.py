"""How every command of the project ends."""

from __future__ import annotations

import sys
from collections.abc import Callable

from helpers.common.errors import CourseError


def exit_code(command: Callable[[], int | None], interrupted: str = "interrupted") -> int:
    """Run `command` and return the exit code: its own (None is 0), 2 for a user's mistake, 130 for Ctrl-C.

    A mistake is told in its one sentence on standard error; `interrupted` says there what became of the work.
    """
    try:
        return command() or 0
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
