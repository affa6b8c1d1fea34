"""Flat upright figures that face the camera: people, two-wheelers, trees and posts."""

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
    """Return an ellipse as a polygon in metres, float (n, 2); `start` is the angle of the first point."""
    a = np.linspace(0, 2 * np.pi, n, endpoint=False) + start
    return np.stack([x + rx * np.cos(a), y + (rx if ry is None else ry) * np.sin(a)], 1)


def limb(x0, y0, x1, y1, w0, w1=None) -> np.ndarray:
    """Return a tapered bar between two points as a polygon in metres, float (6, 2); w0 and w1 are its widths."""
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
    """Flip a figure horizontally."""
    return [Part(p.points * [-1, 1], p.colour, p.shines) for p in parts]


def foot(camera: Camera, x: float, z: float, y: float = 0.0) -> tuple[float, float, float]:
    """Return the foot of a figure in reference pixels, and its pixels per metre."""
    s = camera.scale(z)
    u = REFERENCE_WIDTH / 2 + s * (x - camera.offset_m + camera.drift(z - camera.travel_m))
    return float(u), float(camera.horizon_px + s * (camera.mount_m - y)), s


def stand(label: str, parts: list[Part], x: float, z: float, camera: Camera, light: Light, seed: int,
          ground: float = 0.0,
          rough: float = 0.05, cell: int = 8, shade: tuple = (1.08, 0.88)) -> Thing | None:
    """Create a figure whose polygon is the outline of all its parts, or None if it is not visible.

    Parameters
    ----------
    label : str
        Cityscapes label.
    parts : list of Part
        Patches of the figure, painted in order.
    x, z : float
        Position in metres.
    camera, light : Camera, Light
        Camera and light of the scene.
    seed : int
        Seed of the grain.
    ground : float, default 0
        Height of the ground in metres.
    rough : float, default 0.05
        Strength of the grain.
    cell : int, default 8
        Size of the grain in pixels.
    shade : tuple of float, default (1.08, 0.88)
        Brightness at the top and at the bottom.
    """
    if z < camera.near_m:
        return None
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
