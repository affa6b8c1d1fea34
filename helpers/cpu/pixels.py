"""Pre- and postprocessing of pixels: normalise frames, and find the class of each pixel.

The logits of a network have an eighth or a quarter of the frame's height. Enlarging 19 maps to 1024 x 2048 writes
159 MB, as much work as Fast-SCNN itself, although only the index of the largest is needed. `labels_of` enlarges one
line at a time and keeps only the index.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from helpers.cpu.arrays import copy_line
from helpers.datasets import normalise

_CHUNK = 512  # pixels at a time: their largest logits and classes stay in the first-level cache


class Workers:
    """A pool of threads that share the lines of an image. Kernels release the GIL, so Predictor clones run at once."""

    def __init__(self, threads: int):
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "pixels") if threads > 1 else None

    def share(self, kernel: Callable[..., None], lines: int, *arguments: Any) -> None:
        """Call `kernel(*arguments, start, stop)` for parts of 0 to `lines`; the calling thread runs the first one."""
        stops = [lines * (part + 1) // self.threads for part in range(self.threads)]
        others = [
            self._pool.submit(kernel, *arguments, start, stop) for start, stop in zip(stops, stops[1:], strict=False)
        ]
        kernel(*arguments, 0, stops[0])
        for other in others:
            other.result()

    def close(self) -> None:
        """Stop the threads."""
        if self._pool:
            self._pool.shutdown()


def network_input(frames: np.ndarray, workers: Workers, padded_hw: tuple[int, int] | None = None) -> np.ndarray:
    """Normalise RGB frames uint8 (N, H, W, 3) like `helpers.datasets.normalise`; return float32 (N, 3, H, W).

    With `padded_hw` the result has that size; the last column and row are repeated, as `helpers.models.sizes` does.
    """
    n, height, width, _ = frames.shape
    x = np.empty((n, 3, *(padded_hw or (height, width))), np.float32)
    workers.share(_normalise_lines, n * height, np.ascontiguousarray(frames), _table(), x)
    x[:, :, :height, width:] = x[:, :, :height, width - 1 : width]
    x[:, :, height:] = x[:, :, height - 1 : height]
    return x


def labels_of(
    logits: np.ndarray,
    size_hw: tuple[int, int],
    align_corners: bool,
    workers: Workers,
    padded_hw: tuple[int, int] | None = None,
) -> np.ndarray:
    """Enlarge logits float32 (N, C, h, w) bilinearly to (H, W) and return their train ids, uint8 (N, H, W).

    `padded_hw`: the size to enlarge to, if the logits are of a frame that was padded at the right and bottom; the
    labels are those of its upper left (H, W).

    Equals the first largest class of `paddle.nn.functional.interpolate(logits, size_hw, mode="bilinear")`. Each value
    is `p + (q - p) s` of two that are `a + (b - a) t`, in float32, columns first; Paddle multiplies both weights into
    each corner, so the last bit can differ. With weights that are multiples of a power of two, as for the factor 8,
    and logits of few bits, both are exact, and so are ties.
    """
    n, _, height, width = logits.shape
    full_height, full_width = padded_hw or size_hw
    labels = np.empty((n, size_hw[0], full_width), np.uint8)
    rows, columns = _neighbours(height, full_height, align_corners), _neighbours(width, full_width, align_corners)
    factor = 0 if align_corners or full_width % width or width < 2 else full_width // width
    logits = np.ascontiguousarray(logits, np.float32)
    workers.share(_label_lines, n * size_hw[0], logits, *rows, *columns, factor, labels)
    return np.ascontiguousarray(labels[:, :, : size_hw[1]])


@lru_cache
def _table() -> np.ndarray:
    # float32 (3, 256): the normalised value of each byte in each channel
    values = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    return np.ascontiguousarray(normalise(values)[:, 0])


@lru_cache(maxsize=64)
def _neighbours(old: int, new: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each new sample the old ones before and after it, and the weight of the latter.

    In float32, as in Paddle's `phi/kernels/cpu/interpolate_kernel.cc` (align_mode 0).
    """
    index = np.arange(new, dtype=np.float32)
    if align_corners:
        position = index * np.float32((old - 1) / (new - 1) if new > 1 else 0)
    else:
        position = np.maximum(np.float32(old / new) * (index + np.float32(0.5)) - np.float32(0.5), 0)
    low = np.minimum(position.astype(np.uint32), np.uint32(old - 1))  # unsigned: no check for negative ones
    return low, np.minimum(low + 1, np.uint32(old - 1)), (position - low).astype(np.float32)


@numba.njit(nogil=True, cache=True)
def _normalise_lines(frames, table, x, start, stop):
    _, height, width, channels = frames.shape
    for line in range(start, stop):
        image, row = divmod(line, height)
        for channel in range(channels):
            for column in range(width):
                x[image, channel, row, column] = table[channel, frames[image, row, column, channel]]


@numba.njit(nogil=True, cache=True)
def _label_lines(logits, top, bottom, down, left, right, across, factor, labels, start, stop):
    classes, old_height = logits.shape[1:3]
    height, width = labels.shape[1:]
    # The current line lies between two lines of logits: keep the upper one, stretched to the new width, and the
    # difference to the lower one.
    above, way = np.empty((classes, width), np.float32), np.empty((classes, width), np.float32)
    highest, first = np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.int32)
    held = -1
    for line in range(start, stop):
        image, row = divmod(line, height)
        if held != image * old_height + top[row]:
            held = image * old_height + top[row]
            for c in range(classes):
                _stretch(logits[image, c, top[row]], left, right, across, factor, above[c])
                _stretch(logits[image, c, bottom[row]], left, right, across, factor, way[c])
                _subtract(way[c], above[c])
        weight = down[row]
        for begin in range(0, width, _CHUNK):
            part = slice(begin, min(begin + _CHUNK, width))
            _begin(above[0, part], way[0, part], weight, highest, first)
            done = classes - (classes - 1) % 3
            for c in range(1, done, 3):  # three at a time: half as many loads and stores
                _keep_largest(
                    above[c, part], way[c, part], above[c + 1, part], way[c + 1, part], above[c + 2, part],
                    way[c + 2, part], weight, np.int32(c), highest, first,
                )  # fmt: skip
            for c in range(done, classes):
                _keep_larger(above[c, part], way[c, part], weight, np.int32(c), highest, first)
            copy_line(first, labels[image, row, part])


@numba.njit(nogil=True, cache=True)
def _stretch(line, left, right, across, factor, stretched):
    edge = len(stretched)
    if factor == 8 or factor == 4:
        edge = factor // 2
        # All pairs of neighbours have the same weights. LLVM vectorises a loop with a constant number of steps.
        for i in range(len(line) - 1):
            near, way = line[i], line[i + 1] - line[i]
            if factor == 8:
                for k in range(8):
                    stretched[4 + 8 * i + k] = near + way * across[4 + k]
            else:
                for k in range(4):
                    stretched[2 + 4 * i + k] = near + way * across[2 + k]
        for column in range(len(stretched) - edge, len(stretched)):
            near = line[left[column]]
            stretched[column] = near + (line[right[column]] - near) * across[column]
    for column in range(edge):
        near = line[left[column]]
        stretched[column] = near + (line[right[column]] - near) * across[column]


# Separate functions let LLVM see that arrays do not overlap, so that it processes eight pixels at a time.
@numba.njit(nogil=True, cache=True)
def _subtract(values, others):
    for column in range(len(values)):
        values[column] -= others[column]


@numba.njit(nogil=True, cache=True)
def _begin(above, way, weight, highest, first):
    for column in range(len(above)):
        highest[column] = above[column] + way[column] * weight
        first[column] = 0


@numba.njit(nogil=True, cache=True)
def _keep_larger(above, way, weight, c, highest, first):
    for column in range(len(above)):
        value = above[column] + way[column] * weight
        before = highest[column]
        first[column] = c if value > before else first[column]
        highest[column] = value if value > before else before


@numba.njit(nogil=True, cache=True)
def _keep_largest(above, way, above_1, way_1, above_2, way_2, weight, c, highest, first):
    c_1, c_2 = np.int32(c + 1), np.int32(c + 2)
    for column in range(len(above)):
        largest, which = highest[column], first[column]
        value = above[column] + way[column] * weight
        which = c if value > largest else which
        largest = value if value > largest else largest
        value = above_1[column] + way_1[column] * weight
        which = c_1 if value > largest else which
        largest = value if value > largest else largest
        value = above_2[column] + way_2[column] * weight
        first[column] = c_2 if value > largest else which
        highest[column] = value if value > largest else largest
