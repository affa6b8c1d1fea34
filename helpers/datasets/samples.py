"""Training samples: PaddleSeg's transforms, in an order that depends on the seed only."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial

import numpy as np
import paddle
from paddleseg import transforms as T

from helpers.common.errors import CourseError
from helpers.datasets.classes import IGNORE
from helpers.datasets.dataset import Frame
from helpers.datasets.frames import read_pair
from helpers.datasets.loading import ahead, worker_processes
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


class TrainingSamples:
    """An endless, shuffled, augmented sequence of samples; sample n depends on (seed, n) only.

    A run is therefore reproducible with any number of loading threads or processes and resumes at any iteration
    without a saved sampler. Several training processes take disjoint samples by their index. Raises CourseError if
    `frames` is empty.
    """

    def __init__(self, frames: list[Frame], recipe: Recipe, seed: int):
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

    def pixels(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sample `n` before normalising: image uint8 (crop H, crop W, 3), train ids uint8 (crop H, crop W).

        Raise CourseError, with the file, if the frame cannot be read or transformed.
        """
        frame = self.frame(n)
        entropy = np.random.SeedSequence((self.seed, 2, n)).generate_state(2)
        try:
            image, label = read_pair(frame)
            sample = {"img": image, "label": label, "gt_fields": ["label"]}
            with seeded(int(entropy[0]), int(entropy[1])):
                sample = self.transforms(sample)
        except CourseError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise CourseError(f"{frame.image} or {frame.label} cannot be loaded ({problem}): check them.") from error
        # The last transform, jitter of the colours, rounds to whole numbers.
        return sample["img"].transpose(1, 2, 0).astype(np.uint8), sample["label"].astype(np.uint8)

    def __getitem__(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sample `n`: image float32 (3, crop H, crop W), train ids int64 (crop H, crop W)."""
        image, label = self.pixels(n)
        return normalise(image), label.astype(np.int64)

    def batch(self, indices: range) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return several samples before normalising, which is an eighth of the bytes to send from a process."""
        return [self.pixels(n) for n in indices]


def training_batches(
    frames: list[Frame], recipe: Recipe, seed: int, start: int = 0, rank: int = 0, world: int = 1, workers: int = 0
) -> Iterator[tuple[paddle.Tensor, paddle.Tensor]]:
    """Load the batches of the iterations `start` to `recipe.iterations`; `recipe.accumulate` of them per iteration.

    Yields images, float32 (N, 3, H, W), and train ids, int64 (N, H, W), of `recipe.batch_size` samples. Close the
    iterator to end its thread and processes early. Raises CourseError if a frame cannot be read, or if a process was
    killed.

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
        Loading processes. With 0 a thread loads batches, enough for small frames on a CPU.
    """
    size, samples = recipe.batch_size, TrainingSamples(frames, recipe, seed)
    steps = range(start * recipe.accumulate, recipe.iterations * recipe.accumulate)
    firsts = ((step * world + rank) * size for step in steps)
    indices = (range(first, first + size) for first in firsts)
    return _load(samples, indices, workers)


def _load(samples: TrainingSamples, indices: Iterator[range], workers: int) -> Iterator:
    with (
        worker_processes(samples.batch, workers) if workers else nullcontext(partial(map, samples.batch)) as load,
        closing(ahead(map(_stack, load(indices)))) as batches,
    ):
        for image, label in batches:
            yield paddle.to_tensor(image), paddle.to_tensor(label)


def _stack(batch: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batch, strict=True)
    return np.stack([normalise(image) for image in images]), np.stack(labels).astype(np.int64)
