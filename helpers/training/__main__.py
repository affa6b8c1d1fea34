"""Train one network of a profile: `python -m helpers.training --profile cityscapes --model uhrnet_w48`.

Paddle's launcher trains on several devices. It has no `-m`, so pass the file: `python -m paddle.distributed.launch
--gpus 0,1,2,3 helpers/training/__main__.py ...`; on CPUs, replace `--gpus` by `--nproc_per_node 2 --backend gloo`.
"""

from __future__ import annotations

import argparse
import sys

from helpers import models
from helpers.common.command_line import exit_code
from helpers.notebook import Notebook
from helpers.training import fit
from helpers.training.distributed import join


def main() -> int:
    """Return exit code 0, or 2 after a user's mistake, with one sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m helpers.training", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="mini", help="smoke, mini or cityscapes")
    parser.add_argument("--model", required=True, help=f"one of {', '.join(models.NAMES)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu:0; a launcher assigns one to each process")
    parser.add_argument("--data-root", default="", help="default: the data of the profile")
    parser.add_argument("--output-dir", default="", help="default: outputs/<profile>")
    parser.add_argument("--workers", type=int, default=0, help="loader processes per training process, 0 for a thread")
    arguments = parser.parse_args()
    for name in ("seed", "workers"):
        if getattr(arguments, name) < 0:
            parser.error(f"--{name} must be at least 0, got {getattr(arguments, name)}")
    return exit_code(lambda: train(arguments), "interrupted: run the same command again to resume")


def train(arguments: argparse.Namespace) -> None:
    """Train the network that the arguments name. Raise CourseError for a user's mistake."""
    world = join(arguments.device)
    options = {
        "profile": arguments.profile,
        "seed": arguments.seed,
        "data_root": arguments.data_root,
        "output_dir": arguments.output_dir,
    }
    if world.first:
        Notebook("02", **options)  # generates MiniScapes, once
    world.wait()
    nb = Notebook("02", **options)
    recipe = nb.profile.recipe(arguments.model)
    pretrained = recipe.pretrained if world.first else None
    net = models.build(arguments.model, len(nb.classes), seed=arguments.seed, pretrained=pretrained)
    history = fit(
        net,
        nb.frames("train"),
        recipe,
        seed=arguments.seed,
        folder=nb.path(f"02/{arguments.model}"),
        device=arguments.device,
        workers=arguments.workers,
        name=models.title(arguments.model),
        val_frames=nb.frames("val") if recipe.validate_every else None,
        scalars=True,
    )
    if world.first:
        last = f", mIoU {history.miou[-1]:.4f} on the validation frames" if history.miou else ""
        print(f"{nb.caption}: loss {history.loss_around(first=False):.3f}{last}, in {nb.path('02')}/{arguments.model}")


if __name__ == "__main__":
    sys.exit(main())
