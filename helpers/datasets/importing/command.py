"""The sub-command `import` of `python -m helpers.datasets`."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.datasets.importing.finding import FORMATS
from helpers.datasets.importing.importing import Imported, import_data
from helpers.datasets.importing.splitting import GROUP_BY
from helpers.datasets.importing.writing import REPORT

SHOWN = 20  # notes and skipped files that are printed; all are in the report
_HELP = "import LabelMe, COCO, VOC or CVAT masks, folders of masks, or lists of PaddleSeg"


def add_command(subparsers: argparse._SubParsersAction) -> None:
    """Add `import` to the commands."""
    command = subparsers.add_parser("import", help=_HELP, description=f"{_HELP[0].upper()}{_HELP[1:]}.")
    add = command.add_argument
    add("source", type=Path, help="folder, COCO file, or list file")
    add("--to", type=Path, required=True, metavar="FOLDER", help="new folder for the data set, such as data/mine")
    add("--format", dest="kind", choices=FORMATS, default="auto", help="format of the source (default: found out)")
    add("--images", type=Path, metavar="FOLDER", help="folder of the images, if it is not found")
    add("--labels", type=Path, metavar="FOLDER", help="folder of the labels, if it is not found")
    add("--classes", type=Path, metavar="FILE", help="names, and colours or values in masks: .txt, .csv, .json, .toml")
    ignored = "name, value, or colour r,g,b not to train on; repeatable"
    add("--ignore", action="append", default=[], metavar="CLASS", help=ignored)
    add("--background", metavar="NAME", help="class of pixels in no polygon, or of the value 0 in masks")
    add("--rename", action="append", default=[], metavar="OLD=NEW", help="rename or merge classes; repeatable")
    add("--unknown", choices=("refuse", "ignore"), default="refuse", help="values that --classes lacks")
    add("--val", type=float, default=0.2, metavar="SHARE", help="frames to validate on (default: %(default)s)")
    add("--test", type=float, default=0.0, metavar="SHARE", help="frames to keep for a test (default: %(default)s)")
    add("--group-by", choices=GROUP_BY, default="auto", help="what is never divided between splits")
    add("--seed", type=int, default=0, metavar="N", help="of the division (default: %(default)s)")
    add("--name", help="name of the data set (default: that of the folder)")
    add("--link", action="store_true", help="hard-link images instead of copying them")
    add("--dry-run", action="store_true", help="only print what would be imported")
    add("--workers", type=int, metavar="N", help="number of processes (default: one per core)")
    command.set_defaults(run=_run)


def describe(done: Imported, dry_run: bool = False) -> str:
    """Format the result as text: table, notes, skipped files, counts."""
    lines = [done.table.to_string(formatters={"pixels": "{:,}".format, "%": "{:.3g}".format}), ""]
    lines += _some(done.notes, "notes", dry_run)
    if done.skipped:
        lines += ["", f"Skipped files: {len(done.skipped)}"]
        lines += _some([f"  {each.file}: {each.reason}" for each in done.skipped], "skipped files", dry_run)
    frames = ", ".join(f"{count} {split}" for split, count in done.counts.items())
    state = "would have" if dry_run else "has" if done.new else "was imported before, nothing to do:"
    lines += ["", f"{done.root} {state} {frames} frames and {len(done.dataset.classes)} classes."]
    if not dry_run:
        lines.append(f"Next: python -m helpers.datasets check {done.root}")
    return "\n".join(lines)


def _some(lines: list[str], what: str, dry_run: bool) -> list[str]:
    left = len(lines) - SHOWN
    where = "" if dry_run else f", all are in {REPORT}"
    return [*lines[:SHOWN], *([f"... and {left} more {what}{where}"] if left > 0 else [])]


def _run(options: argparse.Namespace) -> int:
    given = {key: value for key, value in vars(options).items() if key != "run"}
    pairs = [text.partition("=") for text in given.pop("rename")]
    if wrong := [old for old, _, new in pairs if not old or not new]:
        raise CourseError(f"Expected --rename OLD=NEW, got {wrong[0]!r}.")
    done = import_data(**given, rename={old: new for old, _, new in pairs})
    print(describe(done, options.dry_run))
    return 0
