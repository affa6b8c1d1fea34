"""Data sets: their classes and frames, reading and counting them, and the input of the networks. Without Paddle.

A data set is a folder with a `dataset.toml`, or one in the layout of Cityscapes. Training samples, which need Paddle,
are in `helpers.datasets.samples`.
"""

from helpers.datasets.classes import IGNORE, Classes
from helpers.datasets.dataset import SPLITS, Dataset, Frame, find_dataset, open_dataset
from helpers.datasets.frames import class_pixels, read_image, read_label, read_pair
from helpers.datasets.normalising import MEAN, STD, denormalise, normalise

__all__ = [
    "IGNORE",
    "MEAN",
    "SPLITS",
    "STD",
    "Classes",
    "Dataset",
    "Frame",
    "class_pixels",
    "denormalise",
    "find_dataset",
    "normalise",
    "open_dataset",
    "read_image",
    "read_label",
    "read_pair",
]
