"""Flicker: labels that change from frame to frame although nothing in the scene does."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from helpers.common.errors import CourseError
from helpers.datasets import IGNORE

LONGEST = 512  # pixels; larger frames are shrunk, because dense optical flow of 1024x2048 takes half a second
SIMILAR = 20  # grey levels; pixels that differ more from where the flow says they come from are occluded


class Flicker:
    """Measures flicker frame by frame, in memory that does not grow: `add` each frame, then read `share`.

    Optical flow (Farneback 2003) finds where each pixel of a frame was in the frame before. A pixel is compared if it
    was inside that frame, looked the same, and both labels are valid; it flickers if its class has changed. So motion
    of the camera and of objects does not count, nor what comes into view. This is the pixel accuracy that belongs to
    the temporal consistency of Liu et al. 2020 ("Efficient Semantic Video Segmentation with Per-frame Inference") and
    of Varghese et al. 2020 ("Unsupervised Temporal Consistency Metric for Video Segmentation in Highly-Automated
    Driving"), subtracted from 1; both report the mIoU of the same comparison.

    Flow is inaccurate at the edges of objects, so perfect labels have some flicker, too. Pass the true labels where
    they exist: pixels whose true class changes along the flow are then left out.

    `changed`, `compared`: pixels so far, summed over all pairs of frames.
    """

    def __init__(self):
        self.changed = self.compared = 0
        self._before: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None = None

    @property
    def share(self) -> float | None:
        """Flickering share of the compared pixels, 0 to 1; None before two frames of one size could be compared."""
        return self.changed / self.compared if self.compared else None

    def add(self, image: np.ndarray, labels: np.ndarray, truth: np.ndarray | None = None) -> None:
        """Compare a frame with the one before: uint8 RGB (H, W, 3), train ids uint8 (H, W), true train ids (H, W).

        A frame of another size starts again. Raises CourseError if image and labels differ in size.
        """
        for each in (labels, truth):
            if each is not None and each.shape != image.shape[:2]:
                raise CourseError(
                    f"Expected labels of the size of their frame, {image.shape[:2]}, got {each.shape}: predict them "
                    "from this frame."
                )
        grey, labels, truth = _shrunk(image, labels, truth)
        before, self._before = self._before, (grey, labels, truth)
        if before is None or before[0].shape != grey.shape:
            return
        old_grey, old_labels, old_truth = before
        x, y, inside = _origin(grey, old_grey)
        moved = cv2.remap(old_grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        x, y = (
            np.rint(each).astype(np.intp).clip(0, end - 1) for each, end in zip((x, y), grey.shape[::-1], strict=True)
        )
        counted = inside & (cv2.absdiff(moved, grey) <= SIMILAR)
        origin = old_labels[y, x]
        counted &= (origin != IGNORE) & (labels != IGNORE)
        if truth is not None and old_truth is not None:
            counted &= old_truth[y, x] == truth
        self.compared += int(counted.sum())
        self.changed += int((counted & (origin != labels)).sum())


def flicker(
    labels: Iterable[np.ndarray], images: Iterable[np.ndarray], truth: Iterable[np.ndarray] | None = None
) -> float | None:
    """Return the share of pixels, 0 to 1, whose class changes although the image does not: see `Flicker`.

    `labels`: train ids uint8 (H, W) of consecutive frames; `images`: the frames, uint8 RGB (H, W, 3); `truth`: true
    train ids. Returns None for fewer than two frames. Raises CourseError if the numbers or sizes differ.
    """
    meter, labels, images = Flicker(), list(labels), list(images)
    truth = [None] * len(labels) if truth is None else list(truth)
    if not len(labels) == len(images) == len(truth):
        raise CourseError(
            f"Expected labels for each frame, got {len(labels)} labels, {len(images)} frames and {len(truth)} true "
            "labels: pass those of the same frames."
        )
    for image, one, true in zip(images, labels, truth, strict=True):
        meter.add(image, one, true)
    return meter.share


def per_frame(labels: Iterable[np.ndarray], images: Iterable[np.ndarray]) -> list[float]:
    """Return the share of flickering pixels, 0 to 1, of each frame after the first: see `flicker`.

    A frame without a pixel to compare counts as 0.
    """
    meter, shares = Flicker(), []
    for image, one in zip(images, labels, strict=True):
        changed, compared = meter.changed, meter.compared
        meter.add(image, one)
        shares.append((meter.changed - changed) / max(1, meter.compared - compared))
    return shares[1:]


def _shrunk(image, labels, truth):
    height, width = labels.shape
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if max(height, width) > LONGEST:
        factor = LONGEST / max(height, width)
        size = max(1, round(width * factor)), max(1, round(height * factor))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        labels, truth = (
            each if each is None else cv2.resize(each, size, interpolation=cv2.INTER_NEAREST)
            for each in (labels, truth)
        )
    return grey, labels, truth


def _origin(grey: np.ndarray, old: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where each pixel of `grey` was in `old`: x and y float32 (H, W), and whether that is inside, bool."""
    flow = cv2.calcOpticalFlowFarneback(grey, old, None, 0.5, 4, 15, 3, 5, 1.1, 0)  # (H, W, 2)
    height, width = grey.shape
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, np.newaxis]
    return x, y, (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
