"""Apply one PaddleSeg transform to one frame, reproducibly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.common.errors import CourseError
from helpers.datasets.samples import seeded


def apply(transform: Callable[[dict], dict], image: np.ndarray, label: np.ndarray, seed: int):
    """Apply a transform of paddleseg.transforms to an image, uint8 (H, W, 3), and its train ids, uint8 (H, W).

    Returns the new image, uint8 (h, w, 3), and the new label, uint8 (h, w). The global generators of Python and NumPy,
    from which the transforms draw, are seeded with `seed` and restored afterwards. Raises CourseError if image and
    label differ in size.
    """
    if image.shape[:2] != label.shape:
        raise CourseError(f"Expected a label of the image's size {image.shape[:2]}, got {label.shape}.")
    # PaddleSeg transforms the entries listed in `gt_fields` together with the image, which it expects as float32.
    data = {"img": image.astype(np.float32), "label": label.copy(), "gt_fields": ["label"], "trans_info": []}
    with seeded(seed, seed):
        data = transform(data)
    return np.clip(np.rint(data["img"]), 0, 255).astype(np.uint8), np.asarray(data["label"], dtype=np.uint8)


def invented(before: np.ndarray, after: np.ndarray, num_classes: int) -> tuple[int, int]:
    """Count pixels of the label `after` with values that `before` lacks: (other classes, values that are no class).

    Padding with 255 does not count.
    """
    counts = np.bincount(after.ravel(), minlength=256)
    new = np.ones(256, dtype=bool)
    new[np.unique(before)] = new[255] = False
    classes = np.arange(256) < num_classes
    return int(counts[new & classes].sum()), int(counts[new & ~classes].sum())
