"""Vehicles as solids: a side profile drawn out across the width, seen in true perspective from any side."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from helpers.miniscapes.camera import NEAR_M, Camera
from helpers.miniscapes.canvas import Thing
from helpers.miniscapes.light import Light
from helpers.miniscapes.textures import fill, ramp, roughen


@dataclass
class Solid:
    """A vehicle in its own metres: z from tail (0) to nose, y up, x across.

    profile: rows (z, y, half width) from the tail's lower edge over the roof to the nose's lower edge.
    skins: one colour for each edge of the profile, then one for the sides (RGB; None: the paint).
    decals: (where, polygon, colour, shines): where is an edge number, with points (across -1..1, along the edge 0..1),
    or "side", with points (z, y) in metres. wheels: (z, radius) pairs. plates: edges that carry a licence plate.
    """

    profile: np.ndarray
    paint: tuple
    skins: dict = field(default_factory=dict)
    decals: list = field(default_factory=list)
    wheels: list = field(default_factory=list)
    plates: list = field(default_factory=list)
    width_m: float = 1.75

    @property
    def length_m(self) -> float:
        return float(self.profile[:, 0].max())


def outline(polygons: list[np.ndarray], factor: float = 1.0) -> np.ndarray | None:
    """The outer border of a union of polygons (reference pixels), float (N, 2); None when nothing remains."""
    points = np.concatenate(polygons)
    low, high = points.min(0), points.max(0)
    if (high < 0).any() or (high - low < 0.5).any() or (low > 4096).any():
        return None
    low = np.maximum(low, -600)
    high = np.minimum(high, 2700)
    span = high - low
    if (span < 0.5).any():
        return None
    grain = min(8.0, max(1.0, 160 / span.max())) * factor if span.max() < 160 else min(1.0, 900 / span.max()) * factor
    size = np.ceil(span * grain).astype(int) + 3
    mask = np.zeros((size[1], size[0]), np.uint8)
    for p in polygons:
        cv2.fillPoly(mask, [np.round(((p - low) * grain + 1) * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    border = max(contours, key=cv2.contourArea)
    border = cv2.approxPolyDP(border, 0.6, True)[:, 0].astype(np.float64)
    return (border - 1 + 0.5) / grain + low if len(border) >= 3 else None


@dataclass
class Pose:
    """Where a solid stands: x, z (m) of its middle on the road; heading 0 drives away from us, pi comes towards us."""

    x: float
    z: float
    heading: float
    ground: float = 0.0

    def world(self, solid: Solid, x, y, z) -> np.ndarray:
        """Own metres -> world, float (N, 3)."""
        along = np.asarray(z, np.float64) - solid.length_m / 2
        x, y = np.asarray(x, np.float64) + 0 * along, np.asarray(y, np.float64) + 0 * along
        c, s = np.cos(self.heading), np.sin(self.heading)
        return np.stack([self.x + c * x + s * along, self.ground + y, self.z - s * x + c * along], -1).reshape(-1, 3)


def _faces(solid: Solid, pose: Pose, camera: Camera, light: Light):
    """Visible faces, far to near: (distance, polygon in pixels, colour, edge or side, world corner function)."""
    eye = np.array([camera.offset_m, camera.mount_m, 0.0])
    p = solid.profile
    found = []
    for i in range(len(p) - 1):
        (z0, y0, w0), (z1, y1, w1) = p[i], p[i + 1]
        quad = pose.world(solid, [-w0, w0, w1, -w1], [y0, y0, y1, y1], [z0, z0, z1, z1])
        found.append((i, quad, np.cross(quad[1] - quad[0], quad[3] - quad[0])))
    for side in (-1, 1):
        points = pose.world(solid, side * p[:, 2], p[:, 1], p[:, 0])
        across = pose.world(solid, [side, 0], [0, 0], [0, 0])
        found.append(("left" if side < 0 else "right", points, across[0] - across[1]))
    faces = []
    for name, points, normal in found:
        normal = normal / (np.linalg.norm(normal) + 1e-9)
        middle = points.mean(0)
        drifted = middle + np.array([camera.drift(middle[2]), 0, 0])
        if not isinstance(name, str):  # edges wind so that their normal points outwards
            normal = -normal if np.dot(normal, middle - pose.world(solid, [0], [p[:, 1].mean()],
                                                                   [solid.length_m / 2])[0]) < 0 else normal
        if np.dot(normal, drifted - eye) >= 0 or (points[:, 2] < NEAR_M).all():
            continue
        polygon = camera.polygon(points)
        if polygon is None:
            continue
        skin = solid.skins.get(name if not isinstance(name, str) else "side") or solid.paint
        tilt = normal * np.array([1, 1, 1.0])
        gain_colour = light.shade(np.array(skin) * (1.0 + 0.22 * max(0.0, normal[1])), tilt, middle[2])
        faces.append((float(np.linalg.norm(drifted - eye)), polygon, gain_colour, name))
    return sorted(faces, key=lambda f: -f[0])


def place(label: str, parts: list[Solid], pose: Pose, camera: Camera, light: Light, seed: int) -> list[Thing]:
    """A vehicle of one or more solids standing at a pose -> its Thing, and one for each licence plate that shows."""
    shapes, plates = [], []
    widths = {id(solid): _width_at_height(solid) for solid in parts}

    def corner(solid, where, points):
        points = np.asarray(points, np.float64)
        if where in ("left", "right"):
            half = np.interp(points[:, 1], *widths[id(solid)])
            x = half * (1.01 if where == "right" else -1.01)
            return pose.world(solid, x, points[:, 1], points[:, 0])
        a, b = solid.profile[where], solid.profile[where + 1]
        t = points[:, 1]
        z, y, half = (a[k] + (b[k] - a[k]) * t for k in range(3))
        return pose.world(solid, points[:, 0] * half, y, z)

    def away(solid: Solid) -> float:
        return -pose.world(solid, [0.0], [1.0], [solid.profile[solid.profile[:, 2] > 0.1, 0].mean()])[0, 2]

    for solid in sorted(parts, key=away):  # the farther part first
        for _, polygon, colour, name in _faces(solid, pose, camera, light):
            shapes.append((polygon, colour))
            decals = [d for d in solid.decals if d[0] == name or (d[0] == "side" and isinstance(name, str))]
            if isinstance(name, str):
                for z, radius in solid.wheels:
                    a = np.linspace(0, 2 * np.pi, 20, endpoint=False)
                    for r, tone in ((radius * 1.16, 14), (radius, 26), (radius * 0.6, 120), (radius * 0.22, 60)):
                        ring = np.stack([z + r * np.cos(a), radius + r * np.sin(a)], 1)
                        decals.append((name, ring, (tone, tone, tone + 2), False))
            for _, points, paint, shines in decals:
                spot = camera.polygon(corner(solid, name, points))
                if spot is not None:
                    shapes.append((spot, light.glow(paint, pose.z) if shines else light.shade(paint, z=pose.z)))
            if name in solid.plates:
                spot = camera.polygon(corner(solid, name, [(-0.3, 0.35), (0.3, 0.35), (0.3, 0.7), (-0.3, 0.7)]))
                if spot is not None:
                    shapes.append((spot, light.shade((225, 225, 215), z=pose.z)))
                    if np.ptp(spot[:, 0]) > 12:
                        plates.append(Thing("license plate", spot, None, pose.z))
    if not shapes:
        return []
    polygon = outline([s[0] for s in shapes])
    if polygon is None:
        return []

    def brush(layer, to_layer):
        rng = np.random.default_rng(seed)
        layer[:] = light.shade((16, 16, 18), z=pose.z)
        for points, colour in shapes:
            fill(layer, to_layer(points), colour)
        roughen(layer, rng, 0.035, 32, 3)
        ramp(layer, 1.06, 0.9)

    return [Thing(label, polygon, brush, pose.z), *plates]


def _width_at_height(solid: Solid):
    """Heights and half widths of the profile, sorted, for np.interp."""
    real = solid.profile[solid.profile[:, 2] > 0.1]
    order = np.argsort(real[:, 1], kind="stable")
    return real[order, 1], real[order, 2]
