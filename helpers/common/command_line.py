"""The exit codes of all commands of the project."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from helpers.common.errors import CourseError
from helpers.common.os_errors import explain, readable


def exit_code(command: Callable[[], int | None], interrupted: str = "interrupted") -> int:
    """Run `command` and return its exit code: None counts as 0, 2 after an error of the user, 130 after Ctrl-C.

    Errors of the user are CourseError and errors of the operating system, such as a full disk; their one sentence is
    printed to standard error, and `interrupted` after Ctrl-C. Other exceptions propagate.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names that are not UTF-8 can be printed
    try:
        return command() or 0
    except CourseError as error:
        print(readable(str(error)), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe has ended, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails again when it flushes
        return 141  # as a shell reports SIGPIPE
    except OSError as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(sentence, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
