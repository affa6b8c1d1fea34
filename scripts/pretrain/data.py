"""Draw MiniScapes frames into arrays. Needs the packages of helpers.miniscapes, but neither Paddle nor PyTorch.

python -m scripts.pretrain.data FOLDER writes three archives with `images`, uint8 (N, H, W, 3) RGB, and `labels`, train
ids uint8 (N, H, W): train.npz, frames of the training cities with seed 1; val.npz, the validation frames of profile
mini; val_more.npz, other frames of the same cities, with seed 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2labelImg import createLabelImage

from helpers.common.command_line import exit_code
from helpers.common.files import atomic_path
from helpers.common.parallel import in_processes
from helpers.miniscapes.cities import FramePlan, plan
from helpers.miniscapes.render import render

SEED = 1


def draw(split: str, count: int, seed: int, size_hw: tuple[int, int], workers: int | None = None) -> dict:
    """Return `images` and `labels` of `count` frames, equal to the files that `miniscapes.generate` writes."""
    images = np.empty((count, *size_hw, 3), np.uint8)
    labels = np.empty((count, *size_hw), np.uint8)
    frames = list(enumerate(plan(split, count, seed)))
    for part in in_processes(partial(_draw, tuple(size_hw)), frames, workers=workers, chunk=4, desc=split):
        for index, image, label in part:
            images[index], labels[index] = image, label
    return {"images": images, "labels": labels}


def _draw(size_hw: tuple[int, int], part: Sequence[tuple[int, FramePlan]]) -> list[tuple[int, np.ndarray, np.ndarray]]:
    drawn = []
    for index, frame in part:
        image, annotation, _ = render(frame, size_hw)
        polygons = Annotation()
        polygons.fromJsonText(json.dumps(annotation))
        drawn.append((index, image, np.asarray(createLabelImage(polygons, "trainIds"), np.uint8)))
    return drawn


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=2400)
    parser.add_argument("--val", type=int, default=24)
    parser.add_argument("--more", type=int, default=120)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 512), metavar=("H", "W"))
    parser.add_argument("--workers", type=int, help="processes; default: one per core")
    given = parser.parse_args(arguments)

    def run() -> None:
        archives = {
            "val": ("val", given.val, 0),
            "val_more": ("val", given.more, SEED),
            "train": ("train", given.train, SEED),
        }
        for name, (split, count, seed) in archives.items():
            arrays = draw(split, count, seed, tuple(given.size), given.workers)
            with atomic_path(given.folder / f"{name}.npz") as temporary:
                np.savez(temporary, **arrays)
            print(f"{name}: {count} frames", flush=True)

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
