"""Colours that people with colour-vision deficiency can tell apart.

About one man in twelve and one woman in two hundred see some hues as the same. `seen_as` simulates that, and
`distances` measures how far apart colours remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

# From linear RGB to the linear RGB that is seen without one of the three kinds of cones: G. M. Machado, M. M. Oliveira,
# L. A. F. Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, IEEE TVCG 15 (6), 2009,
# severity 1.0.
VISIONS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

# Classes of street scenes that touch in at least half of the frames of MiniScapes, or that networks confuse.
TOUCHING = {
    "building": ("vegetation", "pole", "sky", "car", "traffic sign", "person", "sidewalk", "traffic light", "terrain"),
    "vegetation": ("pole", "sky", "car", "traffic sign", "sidewalk", "person", "road", "terrain", "traffic light"),
    "pole": ("sky", "sidewalk", "traffic sign", "car", "person", "road", "traffic light", "terrain"),
    "road": ("car", "sidewalk", "terrain", "person", "bicycle", "truck"),
    "sidewalk": ("car", "person", "bicycle", "terrain", "wall", "fence"),
    "car": ("person", "terrain", "truck", "bus"),
    "person": ("rider", "bicycle"),
    "rider": ("bicycle", "motorcycle"),
    "bicycle": ("motorcycle", "terrain"),
    "fence": ("wall", "building", "vegetation"),
    "bus": ("train", "truck"),
}
_STEP = 17  # of the colours tried, in each channel
_CLOSE = 5.0  # a distance at which touching classes are too close
_LIKE = 1e-5  # weight of the distance to a class's own colour


def seen_as(colours: np.ndarray, vision: str) -> np.ndarray:
    """Simulate how RGB colours (..., 3), 0 to 255, look with a vision of VISIONS; float32, 0 to 255."""
    encoded = np.asarray(colours, np.float32) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)  # sRGB
    seen = np.clip(linear @ np.float32(VISIONS[vision]).T, 0, 1)
    return 255 * np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055).astype(np.float32)


def distances(colours: np.ndarray, visions: Sequence[str] = tuple(VISIONS)) -> np.ndarray:
    """Return the distance between colours (N, 3), 0 to 255, in the vision where they are closest, float32 (N, N).

    It is Euclidean in CIELAB: 2.3 is just noticeable, black and white are 100 apart.
    """
    seen = _lab(colours, visions)
    return np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1).min(axis=0)


@cache
def distinct_colours(names: tuple[str, ...], own: tuple[tuple[int, int, int], ...]) -> tuple[tuple[int, int, int], ...]:
    """Return a colour for each class, far apart in all VISIONS, farthest for classes that are TOUCHING.

    Among equals, a class gets a colour like its `own`. Black is left to ignored pixels. The more classes, the closer
    the colours: at least 25 apart for 10 classes, 17 for 19, 11 for 50, see `distances`.
    """
    chosen = _spread(len(names))
    pairs = [
        (names.index(name), names.index(other))
        for name, others in TOUCHING.items()
        for other in others
        if name in names and other in names
    ]
    unlike = np.linalg.norm(_lab(np.array(own), ["normal"])[0][:, None] - _lab(chosen, ["normal"])[0][None], axis=-1)
    order = _assign(distances(chosen), np.array(pairs, int).reshape(-1, 2), unlike)
    return tuple(tuple(int(part) for part in chosen[at]) for at in order)


def _spread(count: int) -> np.ndarray:
    """Return `count` colours: each is the one farthest from black and all before it."""
    levels = np.arange(0, 256, _STEP)
    tried = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)  # the first is black
    seen = _lab(tried)
    chosen, nearest, last = [], np.inf, 0
    for _ in range(count):
        nearest = np.minimum(nearest, np.linalg.norm(seen - seen[:, last, None], axis=-1).min(axis=0))
        last = int(np.argmax(nearest))
        chosen.append(tried[last])
    return np.array(chosen)


def _lab(colours: np.ndarray, visions: Sequence[str] = tuple(VISIONS)) -> np.ndarray:
    """CIELAB coordinates of colours (N, 3) in each of the visions, float32 (visions, N, 3)."""
    return cv2.cvtColor(np.stack([seen_as(colours, vision) for vision in visions]) / 255, cv2.COLOR_RGB2LAB)


def _assign(apart: np.ndarray, pairs: np.ndarray, unlike: np.ndarray) -> np.ndarray:
    """Return the colour of each class: start at the likest, and swap while that moves touching classes apart."""
    order = linear_sum_assignment(unlike)[1]
    classes = np.arange(len(order))

    def cost() -> float:
        close = np.exp(-apart[order[pairs[:, 0]], order[pairs[:, 1]]] / _CLOSE)
        return float(close.sum() + _LIKE * unlike[classes, order].sum())

    best, better = cost(), len(pairs) > 0
    while better:
        better = False
        for i in range(len(order)):
            for j in range(i):
                order[[i, j]] = order[[j, i]]
                if cost() < best - 1e-9:
                    best, better = cost(), True
                else:
                    order[[i, j]] = order[[j, i]]
    return order
