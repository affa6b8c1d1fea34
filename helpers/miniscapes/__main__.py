"""Command line: python -m helpers.miniscapes --to data/miniscapes/mini"""

from __future__ import annotations

import argparse
import sys

from helpers.common.command_line import exit_code
from helpers.miniscapes.write import generate


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.miniscapes",
        description="Make synthetic street scenes in the folders, names and file formats of Cityscapes.",
        epilog="The same seed gives the same bytes on any number of processes. Nothing that stands is overwritten.")
    parser.add_argument("--to", required=True, metavar="FOLDER", help="folder to make, such as data/miniscapes/mini")
    parser.add_argument("--train", type=int, default=96, metavar="N", help="frames to train on (default %(default)s)")
    parser.add_argument("--val", type=int, default=24, metavar="N",
                        help="frames to validate on, other cities (default %(default)s)")
    parser.add_argument("--test", type=int, default=8, metavar="N",
                        help="frames without labels, other cities again (default %(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 512), metavar=("HEIGHT", "WIDTH"),
                        help="frame size in pixels, multiples of 32 (default 256 512; Cityscapes has 1024 2048)")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="another seed gives other streets (default %(default)s)")
    parser.add_argument("--workers", type=int, default=None, metavar="N", help="processes (default: one per core)")
    chosen = parser.parse_args(arguments)

    def make() -> None:
        folder = generate(chosen.to, train=chosen.train, val=chosen.val, test=chosen.test, size_hw=tuple(chosen.size),
                          seed=chosen.seed, workers=chosen.workers)
        print(f"MiniScapes stands in {folder}")

    return exit_code(make, "interrupted: nothing was made")


if __name__ == "__main__":
    sys.exit(main())
