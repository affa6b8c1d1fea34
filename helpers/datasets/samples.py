"""Training samples: PaddleSeg's transforms, in an order that depends on the seed only."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import paddle
from paddleseg import transforms as T

from helpers.cityscapes import IGNORE, Frame, read_image, read_label
from helpers.common.errors import CourseError
from helpers.datasets.normalising import normalise
from helpers.profiles import Recipe

# PaddleSeg's transforms draw from the global generators of `random` and NumPy. Two loading threads, one of them left
# over from an interrupted cell, would disturb each other's draws.
GENERATORS = threading.Lock()


@contextmanager
def seeded(python_seed: int, numpy_seed: int) -> Iterator[None]:
    """Hold the global generators of `random` and NumPy, seed them, and restore their state afterwards."""
    with GENERATORS:
        saved = random.getstate(), np.random.get_state()
        random.seed(python_seed)
        np.random.seed(numpy_seed)
        try:
            yield
        finally:
            random.setstate(saved[0])
            np.random.set_state(saved[1])


def training_transforms(recipe: Recipe) -> T.Compose:
    """Return the augmentation of PaddleSeg's configs: random scale, crop, flip and colour jitter.

    Normalising is left to `normalise`, ten times as fast as PaddleSeg's transform for the same values.
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
    """An endless, shuffled, augmented sequence of samples; sample n depends on (seed, n) only.

    A run is therefore reproducible with any number of loading threads or processes and resumes at any iteration
    without a saved sampler. Several training processes take disjoint samples by their index. Raises CourseError if
    `frames` is empty.
    """

    def __init__(self, frames: list[Frame], recipe: Recipe, seed: int):
        super().__init__()
        if not frames:
            raise CourseError("Expected at least one training frame, got an empty list: check `data_root`.")
        self.frames = frames
        self.transforms = training_transforms(recipe)
        self.seed = seed

    def frame(self, n: int) -> Frame:
        """Return the frame of sample `n`; each epoch visits every frame once, in its own order."""
        epoch, position = divmod(n, len(self.frames))
        order = np.random.default_rng((self.seed, 1, epoch)).permutation(len(self.frames))
        return self.frames[order[position]]

    def __getitem__(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sample `n`: image float32 (3, crop H, crop W), train ids int64 (crop H, crop W)."""
        frame = self.frame(n)
        sample = {"img": read_image(frame), "label": read_label(frame), "gt_fields": ["label"]}
        entropy = np.random.SeedSequence((self.seed, 2, n)).generate_state(2)
        with seeded(int(entropy[0]), int(entropy[1])):
            sample = self.transforms(sample)
        return normalise(sample["img"].transpose(1, 2, 0)), sample["label"].astype(np.int64)

    def __len__(self) -> int:
        # Paddle requires a length; the sequence is endless, an epoch has this length.
        return len(self.frames)


class _SampleIndices:
    """Batch sampler: sample indices of the iterations `start` to `stop` for process `rank` of `world`.

    Has no base class, since Paddle's BatchSampler would shuffle and shard by itself.
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
    """Load the batches of the iterations `start` to `recipe.iterations`.

    Yields images, float32 (N, 3, H, W), and train ids, int64 (N, H, W).

    Parameters
    ----------
    frames : list of Frame
        Training frames.
    recipe : Recipe
        Augmentation, batch size and number of iterations.
    seed : int
        Seed of order and augmentation.
    start : int, default 0
        First iteration.
    rank, world : int, default 0 and 1
        Index of this training process and number of processes.
    workers : int, default 0
        Loading processes. With 0 a thread prefetches batches, enough for small frames on a CPU.
    """
    return paddle.io.DataLoader(
        TrainingSamples(frames, recipe, seed),
        batch_sampler=_SampleIndices(recipe.batch_size, start, recipe.iterations, rank, world),
        num_workers=workers,
        return_list=True,
    )
