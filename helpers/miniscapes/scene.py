"""A street scene: camera, weather, road plan, and all objects in painting order, back to front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from helpers.miniscapes.camera import REFERENCE_WIDTH, Camera
from helpers.miniscapes.canvas import Thing
from helpers.miniscapes.cities import FramePlan
from helpers.miniscapes.light import Light, make_light
from helpers.miniscapes.sprites import foot, stand

FAR_M = 170.0


@dataclass
class Surface:
    """A part of the road plane, painted by a ground brush. polygon: reference pixels."""

    label: str
    polygon: np.ndarray
    material: str
    colour: tuple


@dataclass
class Road:
    """Cross-section of the road, x in metres from its centre line; sidewalks are outside its edges."""

    left: float
    right: float
    lanes: int
    lane_m: float
    walk_left: float
    walk_right: float
    parking: tuple[bool, bool]
    rails: float | None = None
    junction: tuple[float, float] | None = None
    wall_side: int = 1
    verge: tuple[float, float] = (0.0, 0.0)

    def edge(self, side: int) -> float:
        """Return x of the kerb on one side (-1 left, 1 right)."""
        return self.right if side > 0 else self.left

    def front(self, side: int) -> float:
        """Return x of the building line."""
        return self.edge(side) + side * ((self.walk_right if side > 0 else self.walk_left) + self.verge[side > 0])


@dataclass
class Scene:
    """Contents of a frame. Lists are in painting order; `street` is sorted by distance before painting.

    marks: drawn on the ground after the surfaces. shadows: (polygons, darkness, softness in reference pixels).
    lamps: halos, see effects.add_glow.
    """

    frame: FramePlan
    camera: Camera
    light: Light
    road: Road
    rng: np.random.Generator
    surfaces: list[Surface] = field(default_factory=list)
    marks: list[Callable] = field(default_factory=list)
    backdrop: list[Thing] = field(default_factory=list)
    street: list[Thing] = field(default_factory=list)
    overlay: list[Thing] = field(default_factory=list)
    shadows: list[tuple] = field(default_factory=list)
    lamps: list[tuple] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        return name in self.frame.wanted

    def seed(self) -> int:
        return int(self.rng.integers(2**31))

    def free(self, x: float, z: float, half_x: float, half_z: float) -> bool:
        """Reserve a rectangle of ground; return False if it is occupied."""
        box = (x - half_x, x + half_x, z - half_z, z + half_z)
        if any(box[0] < b[1] and box[1] > b[0] and box[2] < b[3] and box[3] > b[2] for b in self.taken):
            return False
        self.taken.append(box)
        return True

    def entry(self, x: float) -> float:
        """Return the distance (m) beyond which an object at x is inside the frame."""
        return abs(x - self.camera.offset_m) * self.camera.focal_px / (REFERENCE_WIDTH / 2) * 1.1 + 1.5

    def sight(self, x: float, z: float) -> None:
        """Keep the line of sight to a scheduled object free of later ones."""
        for depth in np.arange(5.0, z - 1.2, 1.0):
            across = self.camera.offset_m + (x - self.camera.offset_m) * depth / z
            self.taken.append((across - 0.25, across + 0.25, depth - 0.5, depth + 0.5))

    def cast(self, x: float, z: float, half_x: float, half_z: float, height: float) -> None:
        """Add the shadow of an object: a dark patch under it, and a long shadow in sunshine."""
        ring = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float) * [half_x, half_z] + [x, z]
        nearest = 2.0 + self.camera.travel_m
        near = np.maximum(ring[:, 1], nearest)
        flat = self.camera.project(np.stack([ring[:, 0], 0 * near, near], 1))
        self.shadows.append(([flat], 0.5, 6.0))
        sun = self.light.sun
        if sun.max() > 0.3:
            s = self.light.sun_dir
            reach = np.array([-s[0], -s[2]]) / max(0.35, s[1]) * height
            moved = ring + reach
            hull = np.concatenate([ring, moved])
            hull[:, 1] = np.maximum(hull[:, 1], nearest)
            shape = cv2.convexHull(hull.astype(np.float32))[:, 0]
            self.shadows.append(([self.camera.project(np.stack([shape[:, 0], 0 * shape[:, 0], shape[:, 1]], 1))],
                                 float(min(0.5, sun.max() * 0.55)), 4.0))

    def figure(self, label: str, parts, x: float, z: float, wide: float = 0.3, tall: float = 1.7, nudge: float = 0.0,
               **more) -> None:
        """Place a flat figure in the street and add its shadow.

        Parameters
        ----------
        label : str
            Cityscapes label.
        parts : list of Part
            Patches of the figure.
        x, z : float
            Position in metres.
        wide, tall : float, default 0.3, 1.7
            Half width and height of the shadow caster in metres; no shadow if `wide` is 0.
        nudge : float, default 0
            Metres by which it is closer in the painting order.
        **more
            Passed to `sprites.stand`.
        """
        ground = 0.12 if abs(x) > max(self.road.right, -self.road.left) else 0.0
        thing = stand(label, parts, x, z, self.camera, self.light, self.seed(), ground=more.pop("ground", ground),
                      **more)
        if thing is not None:
            thing.z = z - nudge
            self.street.append(thing)
            if wide:
                self.cast(x, z, wide, 0.15, tall)

    def lamp(self, x: float, y: float, z: float, radius_m: float, colour, strength: float) -> None:
        """Add the halo of a lamp if it is dark.

        Parameters
        ----------
        x, y, z : float
            Position in metres.
        radius_m : float
            Radius in metres.
        colour : tuple of int
            RGB.
        strength : float
            0 to 1.
        """
        if self.light.night > 0 and z > 2 + self.camera.travel_m:
            u, v, s = foot(self.camera, x, z, y)
            radius = float(np.clip(radius_m * s, 3, 260))
            self.lamps.append((u, v, radius, colour, strength * min(1.0, 0.4 + self.light.night)))


def open_scene(frame: FramePlan, size_hw: tuple[int, int], attempt: int, travel_m: float = 0.0) -> Scene:
    """Create an empty scene: sample camera, weather and road plan. `travel_m`: how far the camera has moved."""
    rng = frame.rng(attempt)
    height = REFERENCE_WIDTH * size_hw[0] / size_hw[1]
    light = make_light(frame.weather, rng)
    lanes = 2 if frame.street == "arterial" or (frame.street == "park" and rng.random() < 0.3) else 1
    lane_m = rng.uniform(3.0, 3.5)
    parking = (bool(rng.random() < 0.65), bool(rng.random() < 0.65)) if frame.street in ("downtown",
        "suburb") else (False, bool(rng.random() < 0.3))
    wall_side = int(rng.choice([-1, 1]))
    for name, side in (("wall", wall_side), ("fence", -wall_side)):  # parked cars would hide what is behind them
        if name in frame.wanted and rng.random() < 0.75:
            parking = (parking[0] and side > 0, parking[1] and side < 0)
    walk = rng.uniform(2.6, 4.6, 2) * (1.3 if frame.street == "downtown" else 1.0)
    rails = None
    left, right = -lanes * lane_m - 2.3 * parking[0], lanes * lane_m + 2.3 * parking[1]
    if "train" in frame.wanted:
        rails = float(-lane_m * 0.5)
    junction = None
    if "traffic light" in frame.wanted and rng.random() < 0.75 or rng.random() < 0.2:
        z = float(rng.uniform(16, 38))
        junction = (z, z + float(rng.uniform(8, 12)))
    verge = (0.0, 0.0)
    if "terrain" in frame.wanted:
        verge = tuple(rng.uniform(1.3, 3.0, 2) * (0.75 if frame.street == "downtown" else 1.0))
    camera = Camera(height, float(height * rng.uniform(0.405, 0.445)),
                    offset_m=float((lanes - 0.5) * lane_m + rng.uniform(-0.4, 0.4)),
                    yaw=float(rng.normal(0, 0.025)), curve=float(rng.choice([0, 0, 1]) * rng.normal(0, 0.0005)),
                    mount_m=float(rng.uniform(1.16, 1.28)), travel_m=travel_m)
    road = Road(left, right, lanes, lane_m, float(walk[0]), float(walk[1]), parking, rails, junction, wall_side, verge)
    return Scene(frame, camera, light, road, rng)
