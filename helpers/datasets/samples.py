"""Frames as batches for a network: PaddleSeg's transforms, and an order that depends on the seed alone."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import numpy as np
import paddle
from paddleseg import transforms as T

from helpers.cityscapes import IGNORE, Frame, read_image, read_label
from helpers.common.errors import CourseError
from helpers.datasets.normalising import normalise
from helpers.profiles import Recipe

# PaddleSeg's transforms draw from the global generators of `random` and NumPy. Two loading threads at once, one of them
# left over from an interrupted cell, would draw from each other's.
GENERATORS = threading.Lock()


def training_transforms(recipe: Recipe) -> T.Compose:
    """Scale by a random step, crop, flip, colour jitter: the augmentation of PaddleSeg's configs, but for normalising.

    `normalise` comes after it: PaddleSeg's transform of that name takes ten times as long for the same values.
    """
    crop_h, crop_w = recipe.crop_hw
    return T.Compose(
        [
            T.ResizeStepScaling(recipe.scale_min, recipe.scale_max, recipe.scale_step),
            T.RandomPaddingCrop((crop_w, crop_h), label_padding_value=IGNORE),
            T.RandomHorizontalFlip(),
            T.RandomDistort(
                brightness_range=recipe.jitter, contrast_range=recipe.jitter, saturation_range=recipe.jitter
            ),
        ],
        to_rgb=False,
    )


class TrainingSamples(paddle.io.Dataset):
    """An endless, shuffled, augmented sequence of samples in which sample number n is a function of (seed, n) alone.

    That makes a run repeatable for any number of loading threads or processes, lets it resume at any iteration
    without a saved sampler, and gives several training processes disjoint samples by plain arithmetic.
    """

    def __init__(self, frames: list[Frame], recipe: Recipe, seed: int):
        super().__init__()
        if not frames:
            raise CourseError("There is nothing to train on: the list of frames is empty.")
        self.frames = frames
        self.transforms = training_transforms(recipe)
        self.seed = seed

    def frame(self, n: int) -> Frame:
        """The frame that sample `n` is cut from: each epoch visits every frame once, in an order of its own."""
        epoch, position = divmod(n, len(self.frames))
        order = np.random.default_rng((self.seed, 1, epoch)).permutation(len(self.frames))
        return self.frames[order[position]]

    def __getitem__(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Sample `n`: image float32 (3, crop H, crop W), train ids int64 (crop H, crop W)."""
        frame = self.frame(n)
        sample = {"img": read_image(frame), "label": read_label(frame), "gt_fields": ["label"]}
        entropy = np.random.SeedSequence((self.seed, 2, n)).generate_state(2)
        with GENERATORS:
            saved = random.getstate(), np.random.get_state()
            random.seed(int(entropy[0]))
            np.random.seed(entropy[1])
            try:
                sample = self.transforms(sample)
            finally:
                random.setstate(saved[0])
                np.random.set_state(saved[1])
        return normalise(sample["img"].transpose(1, 2, 0)), sample["label"].astype(np.int64)

    def __len__(self) -> int:
        # Paddle asks; the sequence has no end, an epoch has this length.
        return len(self.frames)


class _Numbers:
    """Batch sampler: the sample numbers of the batches from iteration `start` to `stop` for one of `world` processes.

    Plain lists of ints, so no base class: Paddle's BatchSampler shuffles and shards in ways of its own.
    """

    def __init__(self, batch_size: int, start: int, stop: int, rank: int, world: int):
        self.batch_size, self.start, self.stop, self.rank, self.world = batch_size, start, stop, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in range(self.start, self.stop):
            first = (iteration * self.world + self.rank) * self.batch_size
            yield list(range(first, first + self.batch_size))

    def __len__(self) -> int:
        return self.stop - self.start


def training_batches(
    frames: list[Frame], recipe: Recipe, seed: int, start: int = 0, rank: int = 0, world: int = 1, workers: int = 0
) -> paddle.io.DataLoader:
    """Batches of the iterations `start` to `recipe.iterations`: images (N, 3, H, W), train ids (N, H, W).

    With `workers` 0 a thread prepares batches ahead, which is enough for small frames on a CPU.
    """
    return paddle.io.DataLoader(
        TrainingSamples(frames, recipe, seed),
        batch_sampler=_Numbers(recipe.batch_size, start, recipe.iterations, rank, world),
        num_workers=workers,
        return_list=True,
    )
