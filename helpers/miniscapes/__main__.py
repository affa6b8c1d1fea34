"""Generate MiniScapes: python -m helpers.miniscapes --to data/miniscapes/mini"""

from __future__ import annotations

import argparse
import sys

from helpers.common.command_line import exit_code
from helpers.miniscapes.write import generate


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.miniscapes",
        description="Generate synthetic street scenes in the layout and file formats of Cityscapes.",
        epilog="Output depends only on the seed, not on the number of processes. Existing files are never overwritten.")
    parser.add_argument("--to", required=True, metavar="FOLDER", help="target folder, such as data/miniscapes/mini")
    parser.add_argument("--train", type=int, default=96, metavar="N", help="training frames (default: %(default)s)")
    parser.add_argument("--val", type=int, default=24, metavar="N",
                        help="validation frames, from other cities (default: %(default)s)")
    parser.add_argument("--test", type=int, default=8, metavar="N",
                        help="test frames without labels, from further cities (default: %(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 512), metavar=("HEIGHT", "WIDTH"),
                        help="frame size in pixels, multiples of 32 (default: 256 512; Cityscapes: 1024 2048)")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="random seed; each seed yields different streets (default: %(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="number of processes (default: one per core)")
    chosen = parser.parse_args(arguments)

    def run() -> None:
        folder = generate(chosen.to, train=chosen.train, val=chosen.val, test=chosen.test, size_hw=tuple(chosen.size),
                          seed=chosen.seed, workers=chosen.workers)
        print(f"MiniScapes is ready in {folder}")

    return exit_code(run, "interrupted: nothing was written")


if __name__ == "__main__":
    sys.exit(main())
