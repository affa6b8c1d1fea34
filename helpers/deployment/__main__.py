"""Use a network outside Python code: `python -m helpers.deployment video IN --to OUT`."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import models
from helpers.cityscapes import CITYSCAPES
from helpers.common.command_line import exit_code
from helpers.deployment.exports import export
from helpers.deployment.predictor import Predictor
from helpers.deployment.video import label_video


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 success, 2 a mistake, 130 interrupted."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: options.run(options), "interrupted: nothing was written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.deployment", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    video = commands.add_parser("video", help="draw the predicted classes over each frame of a video")
    video.add_argument("source", type=Path, metavar="IN", help="video file, or a folder of frames")
    video.add_argument("--to", type=Path, required=True, metavar="OUT", help=".mp4, .avi, or a folder for PNG files")
    network = video.add_mutually_exclusive_group(required=True)
    network.add_argument("--network", help="name of a network with trained weights, such as fastscnn")
    network.add_argument("--export", type=Path, metavar="FOLDER", help="folder of an exported model")
    video.add_argument("--pretrained", default="miniscapes", help="miniscapes or cityscapes (default: %(default)s)")
    video.add_argument("--engine", default="auto", help="see notebook 05 (default: the fastest on this machine)")
    video.add_argument("--opacity", type=_opacity, default=0.6, help="of the colours, 0 to 1 (default: %(default)s)")
    video.add_argument("--limit", type=_count, metavar="N", help="label only the first N frames")
    video.add_argument("--no-flicker", action="store_true", help="do not measure flicker, to save time")
    video.set_defaults(run=_video)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def _opacity(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


@contextmanager
def _exported(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the folder of the export: the given one, or a temporary one of a network with trained weights."""
    if options.export:
        yield options.export
        return
    name, pretrained = options.network, options.pretrained
    pruned = name not in models.NAMES and name in models.cards()
    net = models.load_shipped(name) if pruned else models.build(name, pretrained=pretrained)
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        # Both sets of weights are for the classes of Cityscapes.
        yield export(net, Path(folder) / name, network=name, classes=CITYSCAPES)


def _video(options: argparse.Namespace) -> None:
    with _exported(options) as folder, Predictor(folder, options.engine) as predictor:
        report = label_video(
            options.source,
            options.to,
            predictor,
            opacity=options.opacity,
            limit=options.limit,
            flicker=not options.no_flicker,
        )
    print(f"{report}\n{options.to} is ready")


if __name__ == "__main__":
    sys.exit(main())
