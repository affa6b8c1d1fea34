"""Draw photographs of leaves on soil, and the outlines of leaves and spots.

A plant has its own leaf shape, colour and soil, and is photographed several times from slightly different positions.
The photographs of one plant are therefore alike, as the frames of one drive are: a split must keep them together.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_SCALE = 2  # drawn at twice the size, then shrunk: smooth edges


@dataclass(frozen=True)
class Outline:
    """An annotated shape: its label, "leaf" or "spot", and its corners in pixels, float64 (N, 2), x before y."""

    label: str
    points: np.ndarray


@dataclass(frozen=True)
class Leaf:
    """A leaf of a plant: centre and length relative to the width of the photograph, angle in radians, spots on it.

    `spots` has one row (along, across, radius) per spot, relative to the leaf.
    """

    centre: tuple[float, float]
    length: float
    angle: float
    spots: np.ndarray


@dataclass(frozen=True)
class Plant:
    """What the photographs of a plant share: its leaves, their slimness, and the colours of leaf and soil (RGB)."""

    leaves: tuple[Leaf, ...]
    slimness: float
    green: np.ndarray
    soil: np.ndarray


def new_plant(rng: np.random.Generator) -> Plant:
    """Draw a plant at random. One leaf in three has spots."""
    leaves = []
    for turn in np.arange(rng.integers(4, 8)) * 2.4 + rng.uniform(0, 6.28):  # the golden angle, as in real plants
        spots = np.zeros((0, 3))
        if rng.random() < 1 / 3:
            count = rng.integers(1, 4)
            spots = np.column_stack(
                [rng.uniform(0.3, 0.8, count), rng.uniform(-0.3, 0.3, count), rng.uniform(0.05, 0.1, count)]
            )
        distance = rng.uniform(0.04, 0.1)
        centre = (0.5 + distance * np.cos(turn), 0.375 + distance * np.sin(turn))
        leaves.append(Leaf(centre, rng.uniform(0.2, 0.34), turn + rng.normal(0, 0.2), spots))
    green = np.array([rng.uniform(60, 110), rng.uniform(120, 165), rng.uniform(45, 80)])
    soil = np.array([rng.uniform(95, 130), rng.uniform(75, 100), rng.uniform(55, 75)])
    return Plant(tuple(leaves), rng.uniform(0.18, 0.3), green, soil)


def photograph(plant: Plant, size_hw: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, list[Outline]]:
    """Return a photograph of `plant`, uint8 RGB (H, W, 3), and its outlines from back to front.

    Position, angle, brightness and noise differ from photograph to photograph.
    """
    height, width = size_hw
    shift, turn = rng.normal(0, 0.02, 2), rng.normal(0, 0.06)
    light = rng.uniform(0.85, 1.1)
    image = _soil(plant.soil, (height * _SCALE, width * _SCALE), rng)
    outlines = []
    for leaf in plant.leaves:
        outline = _place(_leaf_shape(plant.slimness), leaf, shift, turn, width)
        _fill(image, outline, plant.green * rng.uniform(0.9, 1.1), shade=18)
        middle = _place(np.array([[0.02, 0.0], [0.97, 0.0]]), leaf, shift, turn, width)
        cv2.polylines(image, [_pixels(middle)], False, (plant.green * 1.25).tolist(), _SCALE, cv2.LINE_AA)
        outlines.append(Outline("leaf", outline))
        for along, across, radius in leaf.spots:
            circle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
            wobble = radius * (1 + 0.2 * np.sin(3 * circle + along * 9))
            shape = np.column_stack(
                [along + wobble * np.cos(circle), across * plant.slimness + wobble * np.sin(circle)]
            )
            spot = _place(shape, leaf, shift, turn, width)
            _fill(image, spot, np.array([128.0, 92.0, 48.0]), shade=10)
            outlines.append(Outline("spot", spot))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    noisy = small * light + rng.normal(0, 4, small.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), outlines


def _soil(colour: np.ndarray, size_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return crumbs of several sizes, float32 (H, W, 3)."""
    height, width = size_hw
    crumbs = np.zeros(size_hw, dtype=np.float32)
    for cells, strength in ((12, 14), (40, 10), (160, 8)):
        coarse = rng.normal(0, strength, (cells * height // width + 1, cells)).astype(np.float32)
        crumbs += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return colour.astype(np.float32) + crumbs[..., np.newaxis]


def _leaf_shape(slimness: float) -> np.ndarray:
    """Return the outline of a leaf that reaches from x = 0, its stem, to x = 1, its tip: float64 (32, 2)."""
    along = (1 - np.cos(np.linspace(0, np.pi, 17))) / 2
    half = slimness * np.sin(np.pi * along**0.8) ** 0.9
    return np.concatenate([np.column_stack([along, half]), np.column_stack([along, -half])[-2:0:-1]])


def _place(shape: np.ndarray, leaf: Leaf, shift: np.ndarray, turn: float, width: int) -> np.ndarray:
    """Move a shape from the leaf's own coordinates into the photograph, in pixels."""
    cos, sin = np.cos(leaf.angle + turn), np.sin(leaf.angle + turn)
    turned = leaf.length * shape @ np.array([[cos, sin], [-sin, cos]])
    return (turned + np.array(leaf.centre) + shift) * width


def _fill(image: np.ndarray, points: np.ndarray, colour: np.ndarray, shade: float) -> None:
    """Fill a shape, brighter at its upper left."""
    mask = np.zeros(image.shape[:2], dtype=np.uint8)
    cv2.fillPoly(mask, [_pixels(points)], 255, cv2.LINE_AA)
    left, top, width, height = cv2.boundingRect(_pixels(points))
    rows = slice(max(0, top), max(0, top + height))
    columns = slice(max(0, left), max(0, left + width))
    weight = mask[rows, columns, np.newaxis] / np.float32(255)
    y, x = np.mgrid[0 : weight.shape[0], 0 : weight.shape[1]]
    slope = (x / max(1, weight.shape[1]) + y / max(1, weight.shape[0]) - 1)[..., np.newaxis]
    filled = (colour - shade * slope).astype(np.float32)
    image[rows, columns] = image[rows, columns] * (1 - weight) + filled * weight


def _pixels(points: np.ndarray) -> np.ndarray:
    return np.rint(points * _SCALE).astype(np.int32)
