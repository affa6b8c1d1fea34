"""What happens to pixels before and after the network: normalising them, and choosing a class for each.

A network's logits leave it at an eighth or a quarter of the frame's height. Enlarging 19 maps to 1024 x 2048 writes
159 MB, as much work as Fast-SCNN itself, only to keep the index of the largest. `labels_of` enlarges one line at a time
and keeps the index at once.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from helpers.datasets import normalise

_CHUNK = 512  # pixels at a time: their largest logits and classes stay in the first-level cache


class Workers:
    """A number of threads that share the lines of an image. Without the GIL, so clones of a Predictor do not wait."""

    def __init__(self, threads: int):
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "pixels") if threads > 1 else None

    def share(self, kernel: Callable[..., None], lines: int, *arguments: Any) -> None:
        """Call `kernel(*arguments, start, stop)` for parts that cover 0 to `lines`; the caller takes the first one."""
        stops = [lines * (part + 1) // self.threads for part in range(self.threads)]
        others = [
            self._pool.submit(kernel, *arguments, start, stop) for start, stop in zip(stops, stops[1:], strict=False)
        ]
        kernel(*arguments, 0, stops[0])
        for other in others:
            other.result()

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown()


def network_input(frames: np.ndarray, workers: Workers) -> np.ndarray:
    """uint8 RGB (N, H, W, 3) to float32 (N, 3, H, W), with the values of `helpers.datasets.normalise`."""
    n, height, width, _ = frames.shape
    x = np.empty((n, 3, height, width), np.float32)
    workers.share(_normalise_lines, n * height, np.ascontiguousarray(frames), _table(), x)
    return x


def labels_of(logits: np.ndarray, size_hw: tuple[int, int], align_corners: bool, workers: Workers) -> np.ndarray:
    """Train ids uint8 (N, H, W) of logits float32 (N, C, h, w), enlarged to (H, W) bilinearly.

    Equals the first largest class of `paddle.nn.functional.interpolate(logits, size_hw, mode="bilinear")`. Each value
    is `(a (1-t) + b t)(1-s) + (c (1-t) + d t) s` in float32, columns first, so its last bit can differ from Paddle's,
    which multiplies both weights into each corner; with weights that are multiples of a power of two, as for the
    factor 8, and logits of few bits, both are exact and so are ties.
    """
    n, _, height, width = logits.shape
    labels = np.empty((n, *size_hw), np.uint8)
    rows, columns = _neighbours(height, size_hw[0], align_corners), _neighbours(width, size_hw[1], align_corners)
    workers.share(_label_lines, n * size_hw[0], np.ascontiguousarray(logits, np.float32), *rows, *columns, labels)
    return labels


@lru_cache
def _table() -> np.ndarray:
    # float32 (3, 256): what becomes of each of the 256 values in each channel, by the one definition there is
    values = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    return np.ascontiguousarray(normalise(values)[:, 0])


@lru_cache(maxsize=64)
def _neighbours(old: int, new: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new sample the old one before it, the one after it, and the share of the latter: Paddle's rule.

    In float32, as in Paddle's `phi/kernels/cpu/interpolate_kernel.cc` (align_mode 0).
    """
    index = np.arange(new, dtype=np.float32)
    if align_corners:
        position = index * np.float32((old - 1) / (new - 1) if new > 1 else 0)
    else:
        position = np.maximum(np.float32(old / new) * (index + np.float32(0.5)) - np.float32(0.5), 0)
    low = np.minimum(position.astype(np.int64), old - 1)
    return low, np.minimum(low + 1, old - 1), (position - low).astype(np.float32)


@numba.njit(nogil=True, cache=True)
def _normalise_lines(frames, table, x, start, stop):
    _, height, width, channels = frames.shape
    for line in range(start, stop):
        image, row = divmod(line, height)
        for channel in range(channels):
            for column in range(width):
                x[image, channel, row, column] = table[channel, frames[image, row, column, channel]]


@numba.njit(nogil=True, cache=True)
def _label_lines(logits, top, bottom, down, left, right, across, labels, start, stop):
    classes = logits.shape[1]
    height, width = labels.shape[1:]
    # The two lines of logits between which the current one lies, stretched to the new width, and which they are.
    stretched = np.empty((2, classes, width), np.float32)
    held = np.full(2, -1)
    highest, first = np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.int32)
    for line in range(start, stop):
        image, row = divmod(line, height)
        for old in (top[row], bottom[row]):
            number = image * logits.shape[2] + old
            if held[old % 2] != number:
                for c in range(classes):
                    _stretch(logits[image, c, old], left, right, across, stretched[old % 2, c])
                held[old % 2] = number
        above, below, weight = stretched[top[row] % 2], stretched[bottom[row] % 2], down[row]
        for begin in range(0, width, _CHUNK):
            end = min(begin + _CHUNK, width)
            highest[:] = -np.inf
            first[:] = 0
            for c in range(classes):
                _keep_larger(above[c, begin:end], below[c, begin:end], weight, np.int32(c), highest, first)
            labels[image, row, begin:end] = first[: end - begin]


@numba.njit(nogil=True, cache=True)
def _stretch(line, left, right, across, stretched):
    for column in range(len(stretched)):
        weight = across[column]
        stretched[column] = line[left[column]] * (np.float32(1) - weight) + line[right[column]] * weight


# Not inlined: alone, LLVM sees that the arrays do not overlap and works on eight pixels at a time.
@numba.njit(nogil=True, cache=True, inline="never")
def _keep_larger(above, below, weight, c, highest, first):
    rest = np.float32(1) - weight
    for column in range(len(above)):
        value = above[column] * rest + below[column] * weight
        before = highest[column]
        first[column] = c if value > before else first[column]
        highest[column] = value if value > before else before
