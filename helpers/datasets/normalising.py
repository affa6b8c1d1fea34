"""Convert between uint8 images and the input of the networks."""

from __future__ import annotations

import numpy as np

# Mean and standard deviation of PaddleSeg's Cityscapes configs for RGB from 0 to 1, not those of ImageNet.
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)


def normalise(image: np.ndarray) -> np.ndarray:
    """Convert uint8 RGB (H, W, 3) to the input of the networks, float32 (3, H, W) from -1 to 1."""
    scaled = (image.astype(np.float32) / 255.0 - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def denormalise(image: np.ndarray) -> np.ndarray:
    """Convert float32 (3, H, W) from `normalise` back to uint8 RGB (H, W, 3)."""
    scaled = (image.transpose(1, 2, 0) * np.float32(STD) + np.float32(MEAN)) * 255.0
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
