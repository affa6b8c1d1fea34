"""Flat figures that stand upright and face the camera: the common ground of people, two-wheelers, trees and posts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.miniscapes.camera import REFERENCE_WIDTH, Camera
from helpers.miniscapes.canvas import Thing
from helpers.miniscapes.light import Light
from helpers.miniscapes.solids import outline
from helpers.miniscapes.textures import fill, ramp, roughen


@dataclass
class Part:
    """A coloured patch of a figure. points: metres (N, 2), x right of its foot, y up.

    colour None: seen through (inside the outline, not painted). shines: not darkened by night or shade.
    """

    points: np.ndarray
    colour: tuple | None
    shines: bool = False


def disc(x, y, rx, ry=None, n=14, start=0.0) -> np.ndarray:
    """An ellipse as a polygon, metres (n, 2)."""
    a = np.linspace(0, 2 * np.pi, n, endpoint=False) + start
    return np.stack([x + rx * np.cos(a), y + (rx if ry is None else ry) * np.sin(a)], 1)


def limb(x0, y0, x1, y1, w0, w1=None) -> np.ndarray:
    """A tapering bar from one point to another, widths in metres, (6, 2), with rounded ends."""
    w1 = w0 if w1 is None else w1
    d = np.array([x1 - x0, y1 - y0], float)
    d /= np.hypot(*d) + 1e-9
    n = np.array([-d[1], d[0]])
    a, b = np.array([x0, y0]), np.array([x1, y1])
    return np.array([a + n * w0 / 2, a - d * w0 * 0.3, a - n * w0 / 2, b - n * w1 / 2, b + d * w1 * 0.3,
                     b + n * w1 / 2])


def rect(x0, y0, x1, y1) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def mirrored(parts: list[Part]) -> list[Part]:
    """The same figure facing the other way."""
    return [Part(p.points * [-1, 1], p.colour, p.shines) for p in parts]


def foot(camera: Camera, x: float, z: float, y: float = 0.0) -> tuple[float, float, float]:
    """Where a figure's foot stands in reference pixels, and its pixels per metre."""
    s = camera.scale(z)
    u = REFERENCE_WIDTH / 2 + s * (x - camera.offset_m + camera.drift(z))
    return float(u), float(camera.horizon_px + s * (camera.mount_m - y)), s


def stand(label: str, parts: list[Part], x: float, z: float, camera: Camera, light: Light, seed: int,
          ground: float = 0.0,
          rough: float = 0.05, cell: int = 8, shade: tuple = (1.08, 0.88)) -> Thing | None:
    """A figure at (x, z) -> a Thing whose polygon is the outline of all its parts; None when it is out of sight."""
    u, v, s = foot(camera, x, z, ground)
    shapes = [(np.stack([u + s * p.points[:, 0], v - s * p.points[:, 1]], 1), p) for p in parts]
    polygon = outline([points for points, _ in shapes])
    if polygon is None:
        return None

    def brush(layer, to_layer):
        rng = np.random.default_rng(seed)
        through = layer.copy()
        layer[:] = light.shade(next(p.colour for p in parts if p.colour is not None), z=z)
        for points, part in shapes:
            if part.colour is None:
                hole = np.zeros(layer.shape[:2] + (3,), np.uint8)
                fill(hole, to_layer(points), (255, 255, 255))
                inside = hole[..., 0] > 127
                layer[inside] = (through[inside] * 0.8).astype(np.uint8)
            else:
                fill(layer, to_layer(points), light.glow(part.colour, z) if part.shines else light.shade(part.colour,
                    z=z))
        if rough and layer.shape[0] > 8:
            roughen(layer, rng, rough, cell, 2)
            ramp(layer, *shade)

    return Thing(label, polygon, brush, z)
