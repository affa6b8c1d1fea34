"""Import, check and count data sets."""

from __future__ import annotations

import argparse
import sys

from helpers.common.command_line import exit_code
from helpers.datasets import checking, counting, importing


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 success, 1 problems found, 2 user error, 130 interrupted."""
    options = parser().parse_args(arguments)
    interrupted = "interrupted: finished files are kept, run the same command again to resume"
    return exit_code(lambda: options.run(options), interrupted)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with all sub-commands."""
    parser = argparse.ArgumentParser(prog="python -m helpers.datasets", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for add_command in (importing.add_command, checking.add_command, counting.add_command):
        add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
