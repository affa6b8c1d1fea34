"""Vehicles as solids: a side profile extruded across the width, in perspective from any side."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from helpers.miniscapes.camera import Camera
from helpers.miniscapes.canvas import Thing
from helpers.miniscapes.light import Light
from helpers.miniscapes.textures import fill, ramp, roughen


@dataclass
class Solid:
    """A vehicle in its own metres: z from tail (0) to nose, y up, x across.

    profile: rows (z, y, half width) from the tail's lower edge over the roof to the nose's lower edge.
    decals: (where, polygon, colour, shines): where is an edge number, with points (across -1..1, along the edge 0..1),
    or "side", with points (z, y) in metres. wheels: (z, radius) pairs. plates: edges that carry a licence plate.
    """

    profile: np.ndarray
    paint: tuple
    decals: list = field(default_factory=list)
    wheels: list = field(default_factory=list)
    plates: list = field(default_factory=list)
    width_m: float = 1.75

    @property
    def length_m(self) -> float:
        return float(self.profile[:, 0].max())


def outline(polygons: list[np.ndarray]) -> np.ndarray | None:
    """Return the outer border of a union of polygons (reference pixels), float (N, 2), or None if empty."""
    points = np.concatenate(polygons)
    low, high = points.min(0), points.max(0)
    if (high < 0).any() or (high - low < 0.5).any() or (low > 4096).any():
        return None
    low = np.maximum(low, -600)
    high = np.minimum(high, 2700)
    span = high - low
    if (span < 0.5).any():
        return None
    grain = min(8.0, max(1.0, 160 / span.max())) if span.max() < 160 else min(1.0, 900 / span.max())
    size = np.ceil(span * grain).astype(int) + 3
    mask = np.zeros((size[1], size[0]), np.uint8)
    whole = np.rint(((points - low) * grain + 1) * 16).astype(np.int32)
    for p in np.split(whole, np.cumsum([len(p) for p in polygons])[:-1]):
        cv2.fillPoly(mask, [p], 255, cv2.LINE_8, 4)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(contours) > 1:  # parts that nearly touch
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    border = max(contours, key=cv2.contourArea)
    border = cv2.approxPolyDP(border, 0.6, True)[:, 0].astype(np.float64)
    return (border - 1 + 0.5) / grain + low if len(border) >= 3 else None


@dataclass
class Pose:
    """Position of a solid: x, z (m) of its centre on the road; heading 0 is away from the camera, pi towards it."""

    x: float
    z: float
    heading: float
    ground: float = 0.0

    def world(self, solid: Solid, x, y, z) -> np.ndarray:
        """Map vehicle coordinates in metres, arrays of one shape (...), to world points, float (..., 3)."""
        x, along = np.asarray(x, np.float64), np.asarray(z, np.float64) - solid.length_m / 2
        c, s = np.cos(self.heading), np.sin(self.heading)
        first = self.x + c * x + s * along
        out = np.empty((*first.shape, 3))
        out[..., 0], out[..., 1], out[..., 2] = first, self.ground + np.asarray(y), self.z - s * x + c * along
        return out


def _faces(solid: Solid, pose: Pose, camera: Camera):
    """Return the faces towards the camera, far to near: (edge, left or right; world corners (N, 3); unit normal)."""
    eye = np.array([camera.offset_m, camera.mount_m, camera.travel_m])
    z, y, half = solid.profile.T
    rims = pose.world(solid, np.stack([-half, half]), y, z)  # (left and right, profile points, xyz)
    quads = np.stack([rims[0, :-1], rims[1, :-1], rims[1, 1:], rims[0, 1:]], 1)  # (edges, 4, xyz)
    normals = np.cross(quads[:, 1] - quads[:, 0], quads[:, 3] - quads[:, 0])
    middle = quads.mean(1)
    centre = rims.mean((0, 1))
    normals *= np.where(((middle - centre) * normals).sum(1) < 0, -1.0, 1.0)[:, None]
    across = pose.world(solid, np.array([-1.0, 1.0]), np.zeros(2), np.zeros(2))
    across = (across[1] - across[0]) / 2
    found = [(i, quads[i], normals[i] / (np.linalg.norm(normals[i]) + 1e-9), middle[i]) for i in range(len(quads))]
    found += [("left", rims[0], -across, rims[0].mean(0)), ("right", rims[1], across, rims[1].mean(0))]
    faces = []
    for name, points, normal, at in found:
        away = at + [camera.drift(at[2] - camera.travel_m), 0.0, 0.0] - eye
        if normal @ away < 0 and points[:, 2].max() > camera.near_m:
            faces.append((float(away @ away), name, points, normal))
    return [face[1:] for face in sorted(faces, key=lambda f: -f[0])]


def _on_face(solid: Solid, pose: Pose, widths, name, points) -> np.ndarray:
    """Map points on a face, in decal coordinates, to world points, float (N, 3)."""
    points = np.asarray(points, np.float64)
    if isinstance(name, str):
        half = np.interp(points[:, 1], *widths) * (1.01 if name == "right" else -1.01)
        return pose.world(solid, half, points[:, 1], points[:, 0])
    a, b = solid.profile[name], solid.profile[name + 1]
    z, y, half = (a[k] + (b[k] - a[k]) * points[:, 1] for k in range(3))
    return pose.world(solid, points[:, 0] * half, y, z)


CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 20, endpoint=False)),
                   np.sin(np.linspace(0, 2 * np.pi, 20, endpoint=False))], 1)
TYRE = 1.12  # the wheel arch is this much wider than the wheel
PLATE = np.array([(-0.3, 0.35), (0.3, 0.35), (0.3, 0.7), (-0.3, 0.7)])


def place(label: str, parts: list[Solid], pose: Pose, camera: Camera, light: Light, seed: int) -> list[Thing]:
    """Create a vehicle and its visible licence plates.

    Parameters
    ----------
    label : str
        Cityscapes label.
    parts : list of Solid
        Solids of the vehicle.
    pose : Pose
        Position and heading.
    camera, light : Camera, Light
        Camera and light of the scene.
    seed : int
        Seed of the texture.
    """
    def away(solid: Solid) -> float:
        return -pose.world(solid, 0.0, 1.0, solid.profile[solid.profile[:, 2] > 0.1, 0].mean())[2]

    built = []  # (solid, widths, faces), the farther part first
    silhouette, plates, tyres = [], [], []
    for solid in sorted(parts, key=away):
        widths, faces = _width_at_height(solid), _faces(solid, pose, camera)
        built.append((solid, widths, faces))
        if solid.wheels:  # the tyres of the nearer axle, seen below the body
            half = solid.width_m / 2 - 0.02
            ends = [pose.world(solid, x, np.array([0.0, 0.0, r, r]), np.full(4, z)) for z, r in solid.wheels
                    for x in (np.array([-half, 0.22 - half, 0.22 - half, -half]),
                              np.array([half - 0.22, half, half, half - 0.22]))]
            nearest = min(end[:, 2].mean() for end in ends)
            tyres += [camera.polygon(end) for end in ends if end[:, 2].mean() < nearest + 0.8]
        for name, points, _ in faces:
            silhouette.append(camera.polygon(points))
            if isinstance(name, str):
                for z, radius in solid.wheels:
                    tyre = CIRCLE * radius + [z, radius]
                    silhouette.append(camera.polygon(_on_face(solid, pose, widths, name, tyre)))
            elif name in solid.plates:
                plate = camera.polygon(_on_face(solid, pose, widths, name, PLATE))
                if plate is not None and np.ptp(plate[:, 0]) > 12:
                    plates.append(Thing("license plate", plate, None, pose.z))
    tyres = [p for p in tyres if p is not None]
    silhouette = [p for p in silhouette if p is not None] + tyres
    polygon = outline(silhouette) if silhouette else None
    if polygon is None:
        return []

    def brush(layer, to_layer):
        layer[:] = light.shade((16, 16, 18), z=pose.z)
        for tyre in tyres:
            fill(layer, to_layer(tyre), light.shade((26, 26, 28), z=pose.z))
        for solid, widths, faces in built:
            for name, points, normal in faces:
                _paint_face(layer, to_layer, solid, widths, name, points, normal)
        roughen(layer, np.random.default_rng(seed), 0.035, 32, 3)
        ramp(layer, 1.06, 0.9)

    def _paint_face(layer, to_layer, solid, widths, name, points, normal):
        def patch(spot, colour):
            spot = camera.polygon(spot)
            if spot is not None:
                fill(layer, to_layer(spot), colour)

        skin = np.array(solid.paint)
        patch(points, light.shade(skin * (1.0 + 0.22 * max(0.0, normal[1])), normal, pose.z))
        if isinstance(name, str):
            for z, radius in solid.wheels:
                for r, tone in ((radius * TYRE, 14), (radius, 26), (radius * 0.6, 120), (radius * 0.22, 60)):
                    ring = CIRCLE * r + [z, radius]
                    patch(_on_face(solid, pose, widths, name, ring), light.shade((tone, tone, tone + 2), z=pose.z))
        for where, shape, paint, shines in solid.decals:
            if where == name or (where == "side" and isinstance(name, str)):
                colour = light.glow(paint, pose.z) if shines else light.shade(paint, z=pose.z)
                patch(_on_face(solid, pose, widths, name, shape), colour)
        if name in solid.plates:
            patch(_on_face(solid, pose, widths, name, PLATE), light.shade((225, 225, 215), z=pose.z))

    return [Thing(label, polygon, brush, pose.z), *plates]


def _width_at_height(solid: Solid):
    """Return the sorted heights and half widths of the profile, for np.interp."""
    real = solid.profile[solid.profile[:, 2] > 0.1]
    order = np.argsort(real[:, 1], kind="stable")
    return real[order, 1], real[order, 2]
