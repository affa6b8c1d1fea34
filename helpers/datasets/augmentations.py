"""One PaddleSeg transform applied to one frame, repeatably, for looking at what it does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from helpers.cityscapes import NUM_CLASSES
from helpers.common.errors import CourseError


def apply(transform: Callable[[dict], dict], image: np.ndarray, label: np.ndarray, seed: int):
    """`transform` of paddleseg.transforms on uint8 `image` (H, W, 3) and its train ids uint8 (H, W).

    Returns the new image, uint8 (h, w, 3), and the new label, uint8 (h, w). The transforms draw from Python's and
    NumPy's global generators: both are set from `seed` and put back afterwards. Raises CourseError when image and
    label differ in size.
    """
    if image.shape[:2] != label.shape:
        raise CourseError(f"The image is {image.shape[:2]} and its label {label.shape}: give two of one size.")
    # PaddleSeg changes all that `gt_fields` names together with the image; it wants the image as float32.
    data = {"img": image.astype(np.float32), "label": label.copy(), "gt_fields": ["label"], "trans_info": []}
    with _generators(seed):
        data = transform(data)
    return np.clip(np.rint(data["img"]), 0, 255).astype(np.uint8), np.asarray(data["label"], dtype=np.uint8)


def invented(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """Pixels of the label `after` whose value `before` does not have: (other classes, values that are no class).

    Padding with 255 invents nothing.
    """
    counts = np.bincount(after.ravel(), minlength=256)
    new = np.ones(256, dtype=bool)
    new[np.unique(before)] = new[255] = False
    classes = np.arange(256) < NUM_CLASSES
    return int(counts[new & classes].sum()), int(counts[new & ~classes].sum())


@contextmanager
def _generators(seed: int) -> Iterator[None]:
    kept = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
