"""Predict a picture of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from helpers.progress import progress

# A frame of Cityscapes at most goes through a network at once; Fast-SCNN takes 1 GB for it.
TILE_HW = (1024, 2048)
MARGIN = 128  # pixels that a tile sees beyond those it decides


def predict_any_size(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    tile_hw: tuple[int, int] = TILE_HW,
    margin: int = MARGIN,
) -> np.ndarray:
    """Train ids uint8 (H, W) of uint8 RGB `image` (H, W, 3); what is larger than a tile is predicted tile by tile.

    Up to the area of one tile the image is given whole, and the labels are those of `predict`. Beyond that, each tile
    has at most `tile_hw` pixels, sees `margin` pixels of its neighbours and decides the others, so labels near a seam
    may differ from those of the whole image, whose memory no machine may have.
    """
    height, width = image.shape[:2]
    if height * width <= tile_hw[0] * tile_hw[1]:
        return predict(image)
    labels = np.empty((height, width), dtype=np.uint8)
    parts = [(y, x) for y in _parts(height, tile_hw[0], margin) for x in _parts(width, tile_hw[1], margin)]
    for (top, bottom), (left, right) in progress(parts, desc=f"{width} x {height} pixels", unit="tile"):
        up, to_left = max(0, top - margin), max(0, left - margin)
        seen = predict(np.ascontiguousarray(image[up : bottom + margin, to_left : right + margin]))
        labels[top:bottom, left:right] = seen[top - up : bottom - up, left - to_left : right - to_left]
    return labels


def _parts(length: int, tile: int, margin: int) -> list[tuple[int, int]]:
    """Equal parts of `length` pixels that fit into a tile together with a margin on both sides."""
    if length <= tile:
        return [(0, length)]
    count = ceil(length / (tile - 2 * margin))
    edges = [round(i * length / count) for i in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))
