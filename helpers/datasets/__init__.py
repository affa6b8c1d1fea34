"""Frames as normalised, augmented batches for a network."""

from helpers.datasets.normalising import MEAN, STD, denormalise, normalise
from helpers.datasets.samples import GENERATORS, TrainingSamples, training_batches, training_transforms

__all__ = [
    "GENERATORS",
    "MEAN",
    "STD",
    "TrainingSamples",
    "denormalise",
    "normalise",
    "training_batches",
    "training_transforms",
]
