"""The command `python -m helpers.datasets statistics`."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from helpers.common.errors import CourseError
from helpers.common.files import write_json
from helpers.datasets.classes import Classes
from helpers.datasets.dataset import open_dataset
from helpers.datasets.scan import CACHE, scan
from helpers.datasets.statistics import Statistics


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add `statistics` to the commands of a parser; `options.run(options)` then returns the exit code."""
    command = commands.add_parser("statistics", help="count classes, regions, instances and colours")
    command.add_argument("root", type=Path, help="folder with dataset.toml, or in the layout of Cityscapes")
    command.add_argument("--split", nargs="+", choices=("train", "val"), help="default: both, if they have frames")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the statistics to this file")
    command.add_argument(
        "--cache", type=Path, default=CACHE, metavar="FOLDER", help="folder for cached results (default: %(default)s)"
    )
    command.add_argument("--no-cache", action="store_true", help="read every frame and do not use the cache")
    command.add_argument("--workers", type=int, metavar="N", help="number of processes (default: one per core)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Count the frames, print the statistics, and return the exit code."""
    data = open_dataset(options.root)
    splits = options.split or [split for split in data.existing_splits() if split != "test"]
    if not splits:
        raise CourseError(f"Expected train or val frames in {data.root}, got none: add images with labels.")
    frames = [frame for split in dict.fromkeys(splits) for frame in data.frames(split)]
    result = scan(frames, workers=options.workers, cache=None if options.no_cache else options.cache)
    if options.json:
        write_json(options.json, result.to_json())
    print(describe(result, data.classes))
    return 0


def describe(result: Statistics, classes: Classes) -> str:
    """Format the statistics as text: a table of the classes, then groups, sizes and colours."""
    columns = {
        "pixels %": 100 * result.class_share,
        "frames %": 100 * result.frame_share,
        "typical region, px": [result.typical_region(i) for i in range(len(classes))],
    }
    if result.instance_frames:
        columns["instances/frame"] = result.instances_per_frame
    table = pd.DataFrame(columns, index=pd.Index(classes.names, name="class"))
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
