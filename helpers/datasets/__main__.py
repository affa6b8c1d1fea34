"""Import, check and count data sets."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec

from helpers.common.command_line import exit_code

# Each of these modules adds its own sub-command with `add_command(subparsers)`.
PACKAGES = ("helpers.datasets.importing", "helpers.datasets.checking", "helpers.datasets.counting")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 success, 1 problems found, 2 user error, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m helpers.datasets", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for package in PACKAGES:
        if find_spec(package) and hasattr(import_module(package), "add_command"):
            import_module(package).add_command(commands)
    options = parser.parse_args(arguments)
    interrupted = "interrupted: finished files are kept, run the same command again to resume"
    return exit_code(lambda: options.run(options), interrupted)


if __name__ == "__main__":
    sys.exit(main())
