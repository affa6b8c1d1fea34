"""Tables of networks: `python -m helpers.models` counts designs, `python -m helpers.models weights` verifies weights.

python -m helpers.models --size 512x1024 --only fastscnn,unet --latency
python -m helpers.models weights
"""

from __future__ import annotations

import argparse
import sys

from helpers import models
from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.devices import use_device
from helpers.models import shipped
from helpers.models.counting import latency_ms


def main() -> int:
    """Print a table as Markdown and return the exit code: 0 success, 1 damaged weights, 2 a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", nargs="?", choices=("designs", "weights"), default="designs")
    parser.add_argument("--size", default="512x1024", help="height x width in pixels of the image to count for")
    parser.add_argument("--only", default="", help="names separated by commas; default: all")
    parser.add_argument("--latency", action="store_true", help="measure the eager network too, in evaluation mode")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.table == "weights":
        return exit_code(print_weights)
    return exit_code(lambda: print_table(arguments))


def print_weights() -> int:
    """Print one line per network in `weights/`; return 1 if a file is missing or damaged, else 0."""
    damaged = []
    print("| network | name | GMACs at 1024x2048 | MB | mIoU | SHA-256 |\n|---|---|---|---|---|---|")
    for name, card in models.cards().items():
        size, state = "", "ok"
        try:
            size = f"{len(shipped.verified(shipped.weights_path(name))) / 1e6:.1f}"
            if card.pruned:
                shipped.verified(shipped.plan_path(name))
        except CourseError as error:
            state = "damaged"
            damaged.append(str(error))
        print(f"| {card.title} | {name} | {card.gmacs:.3f} | {size} | {card.scores.miou:.4f} | {state} |")
    for sentence in damaged:
        print(sentence, file=sys.stderr)
    return 1 if damaged else 0


def print_table(arguments: argparse.Namespace) -> None:
    """Print one line per network as soon as it is counted."""
    use_device(arguments.device)
    size_hw = _size(arguments.size)
    names = [name.strip() for name in arguments.only.split(",") if name.strip()] or list(models.NAMES)
    head = ["network", "name", "parameters, million", f"conv GMACs at {size_hw[0]}x{size_hw[1]}"]
    head += ["ms, median", "ms, from", "ms, to"] if arguments.latency else []
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head), flush=True)
    for name in names:
        net = models.build(name, seed=0)
        cost = models.cost(net, size_hw)
        row = [models.title(name), name, f"{cost.params / 1e6:.2f}", f"{cost.gmacs:.1f}"]
        if arguments.latency:
            row += [f"{value:.0f}" for value in latency_ms(net, size_hw, arguments.repeats)]
        print("| " + " | ".join(row) + " |", flush=True)


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise CourseError(f"The size {text!r} is not height x width: write for example 512x1024.")
    return int(parts[0]), int(parts[1])


if __name__ == "__main__":
    sys.exit(main())
