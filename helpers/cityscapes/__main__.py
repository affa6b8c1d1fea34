"""`python -m helpers.cityscapes prepare|verify|statistics`: the data set on the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from helpers.cityscapes.frames import find_root, index
from helpers.cityscapes.labels import CLASSES
from helpers.cityscapes.prepare import prepare
from helpers.cityscapes.scan import CACHE, scan
from helpers.cityscapes.statistics import Statistics
from helpers.cityscapes.verify import Report, verify
from helpers.common.command_line import exit_code
from helpers.common.files import write_json

SHOWN = 20  # findings that are printed; --all prints every one


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 well, 1 findings, 2 a mistake, 130 interrupted."""
    options = _parser().parse_args(arguments)
    told = "interrupted: what is finished stays; the same command goes on from there"
    return exit_code(lambda: options.run(options), told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.cityscapes", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("prepare", help="unpack the official archives, make the train ids, write the lists")
    command.add_argument("source", nargs="+", type=Path, help="zip or tar, or a folder that is already unpacked")
    command.add_argument(
        "--to", type=Path, help="folder to fill, such as data/cityscapes; a folder may be left in place"
    )
    command.set_defaults(run=_prepare)

    verification = commands.add_parser("verify", help="check every frame; exit code 1 when something is wrong")
    verification.add_argument("root", type=Path, help="the folder that holds leftImg8bit/ and gtFine/")
    verification.add_argument("--fast", action="store_true", help="names and headers only")
    verification.add_argument(
        "--expect",
        choices=("auto", "official", "any"),
        default="auto",
        help="numbers of frames that are right: 2975/500/1525 (official), whatever is there (any); auto takes "
        "MiniScapes' own numbers for MiniScapes, else the official ones",
    )
    verification.add_argument("--all", action="store_true", help=f"print every finding, not the first {SHOWN}")
    verification.set_defaults(run=_verify)

    counting = commands.add_parser("statistics", help="class shares, frames, regions, instances and colours")
    counting.add_argument("root", type=Path, help="the folder that holds leftImg8bit/ and gtFine/")
    counting.add_argument("--split", nargs="+", choices=("train", "val"), default=("train", "val"))
    counting.add_argument("--json", type=Path, help="write all of it there")
    counting.add_argument("--cache", type=Path, default=CACHE, help="where results are kept by content")
    counting.add_argument("--no-cache", action="store_true", help="read every frame, even if they were counted before")
    counting.set_defaults(run=_statistics)

    for each in (command, verification, counting):
        each.add_argument("--workers", type=int, help="processes; one per core by default")
    return parser


def _prepare(options: argparse.Namespace) -> int:
    done = prepare(options.source, options.to, workers=options.workers)
    frames = ", ".join(f"{count} {split}" for split, count in done.frames.items())
    print(f"{done.root} is ready: {frames}; {done.unpacked} files unpacked, {done.train_ids_made} train ids made.")
    print(f"Next: python -m helpers.cityscapes verify {done.root}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    report = verify(options.root, fast=options.fast, expect=options.expect, workers=options.workers)
    print(describe(report, None if options.all else SHOWN))
    return 0 if report.sound else 1


def _statistics(options: argparse.Namespace) -> int:
    root = find_root(options.root, options.root)
    frames = [frame for split in options.split for frame in index(root, split)]
    result = scan(frames, workers=options.workers, cache=None if options.no_cache else options.cache)
    if options.json:
        write_json(options.json, result.to_json())
    print(describe_statistics(result))
    return 0


def describe_statistics(result: Statistics) -> str:
    """A table of the classes, then cities, sizes and colours."""
    table = pd.DataFrame(
        {
            "share %": 100 * result.class_share,
            "frames %": 100 * result.frame_share,
            "instances/frame": result.instances_per_frame,
            "typical region px": [result.typical_region(i) for i in range(len(CLASSES))],
        },
        index=pd.Index(CLASSES, name="class"),
    )
    rgb = "  ".join(f"{mean:.4f} +- {std:.4f}" for mean, std in zip(result.image_mean, result.image_std, strict=True))
    return "\n".join(
        [
            table.to_string(float_format=lambda number: f"{number:.3f}"),
            "",
            "frames per city: " + ", ".join(f"{city} {count}" for city, count in sorted(result.cities.items())),
            "sizes: " + ", ".join(f"{size} ({count})" for size, count in result.sizes.most_common()),
            f"mean and standard deviation of R, G, B: {rgb}",
            f"{result.frames} frames, {result.ignored / result.image_pixels:.1%} of the pixels ignored",
        ]
    )


def describe(report: Report, shown: int | None = SHOWN) -> str:
    """The findings of a verification, at most `shown`, then its table and the verdict."""
    lines = [f"{each.path.relative_to(report.root)}: {each.text}" for each in report.findings[:shown]]
    left = len(report.findings) - len(lines)
    if left:
        lines.append(f"... and {left} more; --all prints them")
    lines += [report.table.to_string(), ""]
    how = "names and headers" if report.fast else "every file read and decoded"
    verdict = "sound" if report.sound else f"NOT sound: {len(report.findings)} findings"
    return "\n".join([*lines, f"{report.root}: {verdict} ({how})"])


if __name__ == "__main__":
    sys.exit(main())
