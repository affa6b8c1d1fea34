"""Prepare and verify a data set in the Cityscapes layout, or compute its statistics."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helpers.cityscapes.prepare import prepare
from helpers.cityscapes.verify import Report, verify
from helpers.common.command_line import exit_code
from helpers.datasets import counting

SHOWN = 20  # problems printed without --all


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 success, 1 problems found, 2 user error, 130 interrupted."""
    options = _parser().parse_args(arguments)
    interrupted = "interrupted: finished files are kept, run the same command again to resume"
    return exit_code(lambda: options.run(options), interrupted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.cityscapes", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("prepare", help="unpack archives, create train ids and write file lists")
    command.add_argument("source", nargs="+", type=Path, help="zip or tar archive, or unpacked folder")
    command.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="target folder, such as data/cityscapes; a single unpacked folder is prepared in place by default",
    )
    command.set_defaults(run=_prepare)

    verification = commands.add_parser("verify", help="check every frame; exit with code 1 if there are problems")
    verification.add_argument("root", type=Path, help="folder that contains leftImg8bit/ and gtFine/")
    verification.add_argument("--fast", action="store_true", help="check only names and headers")
    verification.add_argument(
        "--expect",
        choices=("auto", "official", "any"),
        default="auto",
        help="expected number of frames: official is 2975/500/1525, any accepts every number; auto (default) is "
        "MiniScapes' own numbers for MiniScapes, else official",
    )
    verification.add_argument("--all", action="store_true", help=f"print all problems, not only the first {SHOWN}")
    verification.set_defaults(run=_verify)

    counting.add_command(commands)

    for each in (command, verification):
        each.add_argument("--workers", type=int, metavar="N", help="number of processes (default: one per core)")
    return parser


def _prepare(options: argparse.Namespace) -> int:
    done = prepare(options.source, options.to, workers=options.workers)
    frames = ", ".join(f"{count} {split}" for split, count in done.frames.items())
    print(f"{done.root} is ready: {frames} frames.")
    print(f"Unpacked files: {done.unpacked}. Created labelTrainIds: {done.train_ids_made}.")
    if done.dead_links:
        print(f"Left out links to missing files: {len(done.dead_links)}, such as {done.dead_links[0]}.")
    print(f"Next: python -m helpers.cityscapes verify {done.root}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    report = verify(options.root, fast=options.fast, expect=options.expect, workers=options.workers)
    print(describe(report, None if options.all else SHOWN))
    return 0 if report.ok else 1


def describe(report: Report, shown: int | None = SHOWN) -> str:
    """Format a report as text: at most `shown` problems (None: all), then the table and a summary."""
    count = len(report.problems)
    lines = [f"{each.path.relative_to(report.root)}: {each.text}" for each in report.problems[:shown]]
    if left := count - len(lines):
        lines.append(f"... and {left} more, use --all to print them")
    lines += [""] * bool(lines) + [report.table.to_string(), ""]
    checked = "names and headers" if report.fast else "all files"
    summary = "no problems" if report.ok else "1 problem" if count == 1 else f"{count} problems"
    return "\n".join([*lines, f"Checked {checked} in {report.root}: {summary} found."])


if __name__ == "__main__":
    sys.exit(main())
