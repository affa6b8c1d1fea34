"""Pixel values as the networks take them."""

from __future__ import annotations

import numpy as np

# PaddleSeg's Cityscapes configs scale RGB in 0 to 1 by these; not ImageNet's mean and deviation.
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)


def normalise(image: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) to float32 (3, H, W) in -1 to 1, as the networks take it."""
    scaled = (image.astype(np.float32) / 255.0 - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def denormalise(image: np.ndarray) -> np.ndarray:
    """The inverse of `normalise`, for pictures: float32 (3, H, W) to uint8 RGB (H, W, 3)."""
    scaled = (image.transpose(1, 2, 0) * np.float32(STD) + np.float32(MEAN)) * 255.0
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
