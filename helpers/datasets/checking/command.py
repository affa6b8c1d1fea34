"""The command `python -m helpers.datasets check`."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path, write_json
from helpers.datasets.checking.report import SHOWN
from helpers.datasets.checking.run import check


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add `check` to the commands of a parser; `options.run(options)` then returns the exit code."""
    command = commands.add_parser(
        "check",
        help="check files, values and balance; exit with code 1 if there are errors",
        description="Check every frame of a data set: pairs, sizes, files, values, classes, duplicates across splits. "
        "No file is changed. Exit codes: 0 no errors, 1 errors, 2 not a data set.",
    )
    command.add_argument("root", type=Path, help="folder with dataset.toml, or in the layout of Cityscapes")
    command.add_argument("--all", action="store_true", help=f"print all findings, not only {SHOWN} of each kind")
    command.add_argument("--strict", action="store_true", help="exit with code 1 for warnings too")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the report to this file")
    command.add_argument("--sheet", type=Path, metavar="FILE", help="draw frames with their labels into this PNG file")
    command.add_argument("--workers", type=int, metavar="N", help="number of processes (default: one per core)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the data set, print the report, and return the exit code."""
    if options.sheet and options.sheet.suffix.lower() != ".png":
        raise CourseError(f"Expected a PNG file for --sheet, got {options.sheet}: choose a name that ends in .png.")
    report = check(options.root, workers=options.workers)
    print(report.describe(None if options.all else SHOWN))
    try:
        if options.json:
            write_json(options.json, report.to_json())
        if options.sheet:
            with atomic_path(options.sheet) as temporary:
                report.sheet().savefig(temporary)
            print(f"Frames with their labels: {options.sheet}")
    except OSError as error:
        raise CourseError(f"Cannot write {error.filename} ({error.strerror}): choose another file.") from error
    return int(not report.ok or (options.strict and report.count("warning") > 0))
