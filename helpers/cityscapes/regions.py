"""Connected regions of all classes of a label map at once.

A picture library labels the regions of one binary mask at a time: with some fifteen classes in a frame that takes
longer than decoding it. Here every row is cut into runs of equal value, runs that touch between neighbouring rows and
have the same value are joined, and the components of that graph are the regions. A street scene of 2048 x 1024 pixels
has some 15,000 runs, so nothing but finding them touches every pixel.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def runs(label_map: np.ndarray) -> np.ndarray:
    """Flat indices, int64 (R,), ascending, at which a run of equal values in a row of `label_map` (H, W) begins."""
    begins = np.empty(label_map.shape, dtype=bool)
    begins[:, 0] = True
    np.not_equal(label_map[:, 1:], label_map[:, :-1], out=begins[:, 1:])
    return np.flatnonzero(begins)


def connected_regions(
    starts: np.ndarray, values: np.ndarray, size_hw: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The 8-connected regions of equal value: their values (N,) and their areas in pixels, int64 (N,).

    `starts` from `runs`, `values` (R,) the value of each run, `size_hw` the size of the map. 8-connected, because
    a slanting pole one pixel wide would fall to pieces otherwise.
    """
    height, width = size_hw
    count = starts.size
    lengths = np.diff(starts, append=height * width)
    upper = np.arange(np.searchsorted(starts, (height - 1) * width))  # runs that have a row below
    lower = np.arange(np.searchsorted(starts, width), count)  # runs that have a row above
    below = np.searchsorted(starts, starts[upper] + width, side="right") - 1  # the run under the run's first pixel
    above = np.searchsorted(starts, starts[lower] - width, side="right") - 1
    # Two runs overlap exactly when one of them begins over or under a pixel of the other. They touch by a corner when
    # one begins where the other has just ended: then both rows have a beginning in that column.
    corner_below = (starts[below] == starts[upper] + width) & (starts[upper] % width > 0)
    corner_above = (starts[above] == starts[lower] - width) & (starts[lower] % width > 0)
    one = np.concatenate([upper, above, upper[corner_below], above[corner_above] - 1])
    two = np.concatenate([below, lower, below[corner_below] - 1, lower[corner_above]])
    same = values[one] == values[two]
    edges = coo_matrix((np.ones(same.sum(), dtype=np.int8), (one[same], two[same])), shape=(count, count))
    number, region_of_run = connected_components(edges, directed=False)
    region_values = np.empty(number, dtype=values.dtype)
    region_values[region_of_run] = values
    # Weighted counts are float64, exact for whole numbers up to 2**53.
    return region_values, np.bincount(region_of_run, weights=lengths, minlength=number).astype(np.int64)
