"""Test-time augmentation: several scales, mirrored images, sliding windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import paddle
import paddle.nn.functional as F

from helpers.common.errors import CourseError

# Maps normalised images, float32 (1, 3, H, W), to logits (1, classes, H, W).
LogitsFn = Callable[[paddle.Tensor], paddle.Tensor]


@dataclass(frozen=True)
class Views:
    """Test-time augmentation; the logits of all views are averaged, as in PaddleSeg 2.8 (`core.infer`).

    `scales`: factors of the image size; the logits are resized back to the image by bilinear interpolation. `flip`: add
    each scale mirrored left to right. `window_hw`: height and width in pixels of a window that slides over the image in
    steps of `stride_hw`, by default two thirds of the window; the last window of a row or column ends at the border of
    the image, and logits are averaged where windows overlap.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window_hw: tuple[int, int] | None = None
    stride_hw: tuple[int, int] | None = None

    def __post_init__(self):
        if not self.scales or not all(0 < scale < inf for scale in self.scales):
            raise CourseError(f"Expected at least one scale, all positive, such as (0.75, 1), got {self.scales}.")
        if self.stride_hw is not None and self.window_hw is None:
            raise CourseError(f"A stride of {self.stride_hw} needs a window: set window_hw, too.")
        if self.window_hw is not None and min(self.window_hw) < 1:
            raise CourseError(f"Expected a window of at least one pixel, got {self.window_hw}.")
        stride = self.stride_hw or self.window_hw
        if stride is not None and not all(0 < s <= w for s, w in zip(stride, self.window_hw, strict=True)):
            raise CourseError(
                f"Expected a stride from 1 to the size of the window {self.window_hw}, got {self.stride_hw}: larger "
                "steps leave pixels out."
            )

    @property
    def plain(self) -> bool:
        """Whether there is no augmentation: the complete image once."""
        return self == Views()

    @property
    def passes(self) -> float:
        """Cost of the views in forward passes of the image, without windows: 2 for `flip`, 0.25 for a scale of 0.5."""
        return sum(scale**2 for scale in self.scales) * (1 + self.flip)

    def logits(self, network: LogitsFn, image: paddle.Tensor) -> paddle.Tensor:
        """Return the averaged logits (1, classes, H, W) of a normalised image, float32 (1, 3, H, W)."""
        size_hw = [image.shape[2], image.shape[3]]
        total = None
        for scale in self.scales:
            # Round as PaddleSeg does. At scale 1, skip the interpolation.
            scaled_hw = [max(1, int(length * scale + 0.5)) for length in size_hw]
            scaled = image if scaled_hw == size_hw else F.interpolate(image, scaled_hw, mode="bilinear")
            for flip in (False, True)[: 1 + self.flip]:
                logits = self._windows(network, paddle.flip(scaled, axis=3) if flip else scaled)
                logits = paddle.flip(logits, axis=3) if flip else logits
                logits = logits if scaled_hw == size_hw else F.interpolate(logits, size_hw, mode="bilinear")
                total = logits if total is None else total + logits
        return total / (len(self.scales) * (1 + self.flip))

    def _windows(self, network: LogitsFn, image: paddle.Tensor) -> paddle.Tensor:
        if self.window_hw is None:
            return network(image)
        height, width = image.shape[2:]
        stride_hw = self.stride_hw or tuple(max(1, 2 * length // 3) for length in self.window_hw)
        rows, columns = (
            window_spans(length, window, stride)
            for length, window, stride in zip((height, width), self.window_hw, stride_hw, strict=True)
        )
        total, count = None, paddle.zeros([1, 1, height, width])
        for top, bottom in rows:
            for left, right in columns:
                logits = network(image[:, :, top:bottom, left:right])
                if total is None:
                    total = paddle.zeros([1, logits.shape[1], height, width])
                total[:, :, top:bottom, left:right] += logits
                count[:, :, top:bottom, left:right] += 1.0
        return total / count


def window_spans(length: int, window: int, stride: int) -> list[tuple[int, int]]:
    """Return start and stop of the windows over `length` pixels, in steps of `stride`; the last ends at the border."""
    if length <= window:
        return [(0, length)]
    return [(start, start + window) for start in [*range(0, length - window, stride), length - window]]
