"""Prepare and verify a data set in the Cityscapes layout, or compute its statistics."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from helpers.cityscapes.prepare import prepare
from helpers.cityscapes.verify import Report, verify
from helpers.common.command_line import exit_code
from helpers.common.files import write_json
from helpers.datasets import Classes, open_dataset
from helpers.datasets.scan import CACHE, scan
from helpers.datasets.statistics import Statistics

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

    counting = commands.add_parser("statistics", help="count classes, regions, instances and colours")
    counting.add_argument("root", type=Path, help="folder that contains leftImg8bit/ and gtFine/")
    counting.add_argument(
        "--split", nargs="+", choices=("train", "val"), default=("train", "val"), help="default: both"
    )
    counting.add_argument("--json", type=Path, metavar="FILE", help="write the statistics to this file")
    counting.add_argument(
        "--cache", type=Path, default=CACHE, metavar="FOLDER", help="folder for cached results (default: %(default)s)"
    )
    counting.add_argument("--no-cache", action="store_true", help="read every frame and do not use the cache")
    counting.set_defaults(run=_statistics)

    for each in (command, verification, counting):
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


def _statistics(options: argparse.Namespace) -> int:
    data = open_dataset(options.root)
    frames = [frame for split in options.split for frame in data.frames(split)]
    result = scan(frames, workers=options.workers, cache=None if options.no_cache else options.cache)
    if options.json:
        write_json(options.json, result.to_json())
    print(describe_statistics(result, data.classes))
    return 0


def describe_statistics(result: Statistics, classes: Classes) -> str:
    """Format the statistics as text: a table of the classes, then cities, sizes and colours."""
    table = pd.DataFrame(
        {
            "pixels %": 100 * result.class_share,
            "frames %": 100 * result.frame_share,
            "instances/frame": result.instances_per_frame,
            "typical region, px": [result.typical_region(i) for i in range(len(classes))],
        },
        index=pd.Index(classes.names, name="class"),
    )
    mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (result.image_mean, result.image_std))
    return "\n".join(
        [
            table.to_string(float_format=lambda number: f"{number:.4g}"),
            "",
            "Frames per group: " + ", ".join(f"{group} ({count})" for group, count in sorted(result.groups.items())),
            "Frames per size: " + ", ".join(f"{size} ({count})" for size, count in result.sizes.most_common()),
            f"RGB mean: {mean}",
            f"RGB standard deviation: {std}",
            f"Ignored pixels: {result.ignored / result.image_pixels:.1%}",
            f"Total: {result.frames} frames",
        ]
    )


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
