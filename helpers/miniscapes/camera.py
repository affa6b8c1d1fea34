"""Pinhole camera: projects world coordinates in metres to reference pixels.

World axes: x to the right of the road's centre line, y up from the road surface, z along the road from where the
camera starts. Distances are from the camera: z, less what it has travelled.
Reference pixels: the frame scaled to a width of 2048; x to the right, y down, pixel edges at integers. A scene is
composed in these units and scaled only when drawn, so a seed yields the same street at every size.
Focal length and mounting height are from the Cityscapes calibration files (about 2262 px at 2048, 1.22 m).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

REFERENCE_WIDTH = 2048
NEAR_M = 1.5  # closer geometry is clipped
_STEPS, _FEW_STEPS = np.linspace(0, 1, 14), np.linspace(0, 1, 5)  # along a strip of ground


@dataclass(frozen=True)
class Camera:
    """Camera position, and the course of the road relative to it.

    height_px: the frame's height in reference pixels. horizon_px: row of the horizon. offset_m: the camera's x.
    yaw: sideways drift of the road in metres per metre. curve: the same per square metre (a bend). travel_m: how far it
    has moved along the road.
    """

    height_px: float
    horizon_px: float
    focal_px: float = 2262.0
    mount_m: float = 1.22
    offset_m: float = 0.0
    yaw: float = 0.0
    curve: float = 0.0
    travel_m: float = 0.0

    @cached_property
    def start(self) -> Camera:
        """The camera before it moved."""
        return replace(self, travel_m=0.0)

    @property
    def near_m(self) -> float:
        """The z (m) of the near plane."""
        return NEAR_M + self.travel_m

    def drift(self, z):
        """Return the sideways shift of the road (m) at distance z (m) from the camera."""
        return self.yaw * z + self.curve * z * z

    def project(self, points) -> np.ndarray:
        """Project world points, float (N, 3), beyond the near plane to reference pixels, float64 (N, 2)."""
        p = np.asarray(points, np.float64).reshape(-1, 3)
        z = np.maximum(p[:, 2] - self.travel_m, 0.2 if self.travel_m else 1e-3)  # what it has passed is out of sight
        out = np.empty((len(p), 2))
        out[:, 0] = REFERENCE_WIDTH / 2 + self.focal_px * (p[:, 0] - self.offset_m + self.drift(z)) / z
        out[:, 1] = self.horizon_px + self.focal_px * (self.mount_m - p[:, 1]) / z
        return out

    def polygon(self, points) -> np.ndarray | None:
        """Clip a planar world polygon (N, 3) at the near plane and project it to pixels (M, 2), or None if empty."""
        p = cut(np.asarray(points, np.float64).reshape(-1, 3), 2, self.near_m, keep_above=True)
        return self.project(p) if len(p) >= 3 else None

    def scale(self, z: float) -> float:
        """Return reference pixels per metre at z (m)."""
        return self.focal_px / max(z - self.travel_m, 1e-3)

    def ground(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map reference pixels below the horizon to x and distance (m) on the road plane, broadcasting u and v."""
        z = self.focal_px * self.mount_m / np.maximum(v - self.horizon_px, 1e-3)
        return (u - REFERENCE_WIDTH / 2) * z / self.focal_px + self.offset_m - self.drift(z), z

    def strip(self, left_m, right_m, z0: float, z1: float, y: float = 0.0) -> np.ndarray:
        """Return the polygon, in reference pixels, of a strip of ground between two x (m) from z0 to z1 (m)."""
        z0 = max(z0 - self.travel_m, NEAR_M)
        z1 = max(z1 - self.travel_m, z0)
        z = z0 * (z1 / z0) ** (_STEPS if z1 > 3 * z0 else _FEW_STEPS) + self.travel_m
        points = np.empty((2 * len(z), 3))
        points[:len(z), 0], points[len(z):, 0] = left_m, right_m
        points[:, 1] = y
        points[:len(z), 2], points[len(z):, 2] = z, z[::-1]
        return self.project(points)


def cut(points: np.ndarray, axis: int, at: float, keep_above: bool) -> np.ndarray:
    """Clip a polygon (N, D) to one side of the plane points[:, axis] == at (Sutherland-Hodgman)."""
    sign = 1.0 if keep_above else -1.0
    side = (points[:, axis] - at) * sign
    if (side >= 0).all():
        return points
    out = []
    for i in range(len(points)):
        a, b, sa, sb = points[i - 1], points[i], side[i - 1], side[i]
        if (sa >= 0) != (sb >= 0):
            out.append(a + (b - a) * (sa / (sa - sb)))
        if sb >= 0:
            out.append(b)
    return np.asarray(out).reshape(-1, points.shape[1])


def cut_to_frame(points: np.ndarray, width: float, height: float) -> np.ndarray:
    """Clip a polygon (N, 2) to [0, width] x [0, height]."""
    low, high = points.min(0), points.max(0)
    if low[0] >= 0 and low[1] >= 0 and high[0] <= width and high[1] <= height:
        return points
    if high[0] < 0 or high[1] < 0 or low[0] > width or low[1] > height:
        return np.zeros((0, 2))
    for axis, low, high in ((0, 0.0, width), (1, 0.0, height)):
        points = cut(points, axis, low, True)
        if len(points):
            points = cut(points, axis, high, False)
        if len(points) < 3:
            return np.zeros((0, 2))
    return points
