"""Both sides of a street in perspective: houses with end walls and roofs, walls, fences, hedges, guard rails."""

from __future__ import annotations

import cv2
import numpy as np

from helpers.miniscapes.camera import NEAR_M, REFERENCE_WIDTH, Camera
from helpers.miniscapes.canvas import Thing
from helpers.miniscapes.facades import House, front
from helpers.miniscapes.furniture import foliage
from helpers.miniscapes.light import Light
from helpers.miniscapes.solids import outline
from helpers.miniscapes.textures import bricks, fill, patch, roughen, stretch, tinted


def _corners(a, b, low: float, high: float) -> np.ndarray:
    """Return the corners of an upright rectangle over the ground line a to b (x, z), clockwise from the top left."""
    return np.array([(a[0], high, a[1]), (b[0], high, b[1]), (b[0], low, b[1]), (a[0], low, a[1])], float)


def upright(label: str, a, b, low: float, high: float, camera: Camera, make, z: float) -> Thing | None:
    """Create a flat upright surface over a line on the ground, or None if it is not visible.

    Parameters
    ----------
    label : str
        Cityscapes label.
    a, b : tuple of float
        Ends of the line (x, z) in metres, left to right in the image.
    low, high : float
        Lower and upper edge in metres.
    camera : Camera
        Camera of the scene.
    make : callable
        Called with a layer to paint and the four corners, float (4, 2), in layer pixels.
    z : float
        Distance in metres, for sorting.
    """
    a, b = np.array(a, float), np.array(b, float)
    if max(a[1], b[1]) <= camera.near_m:
        return None
    for p, q in ((a, b), (b, a)):
        if p[1] < camera.near_m:
            p += (q - p) * (camera.near_m - p[1]) / (q[1] - p[1])
    quad = camera.project(_corners(a, b, low, high))
    if quad[1, 0] - quad[0, 0] < 0.3:
        return None
    return Thing(label, quad, lambda layer, to_layer: make(layer, to_layer(quad)), z)


def _veil(picture, light: Light, z_left: float, z_right: float) -> None:
    """Add haze to the texture of a receding surface; distance changes linearly from its left to its right edge."""
    clear = np.exp(-light.haze_per_m * np.linspace(z_left, z_right, picture.shape[1])).astype(np.float32)
    shape = picture.shape[:2]
    veil = [np.broadcast_to(light.haze[c].astype(np.float32) * (1 - clear), shape) for c in range(3)]
    picture[:] = cv2.add(cv2.multiply(picture, cv2.merge([np.broadcast_to(clear, shape)] * 3), dtype=cv2.CV_32F),
                         cv2.merge(veil), dtype=cv2.CV_8U)


def house(side: int, x: float, z0: float, z1: float, home: House, camera: Camera, light: Light, pitched: bool,
          rng: np.random.Generator) -> list[Thing]:
    """Create a building: end wall, front and roof.

    Parameters
    ----------
    side : int
        -1 for left, 1 for right.
    x, z0, z1 : float
        Position of the front and its near and far end, in metres.
    home : House
        Appearance.
    camera, light : Camera, Light
        Camera and light of the scene.
    pitched : bool
        Whether it has a pitched roof.
    rng : numpy.random.Generator
        Random numbers of the scene.
    """
    things = []
    far_x = x + side * rng.uniform(8, 12)
    gain_front, gain_end = light.gain((-side, 0, 0)), light.gain((0, 0, -1))
    h = home.height_m

    def paint(gain, z_a, z_b, windows, width):
        def make(layer, quad):
            seen = 0.5 * (np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1]))
            wide = House(**{**home.__dict__, "width_m": width})
            picture = front(wide, light, gain, float(np.clip(seen / h, 2, 60)), windows)
            _veil(picture, light, z_a, z_b)
            passed = (camera.near_m - min(z_a, z_b)) / max(abs(z_b - z_a), 1e-9) * picture.shape[1]
            if 1 <= passed < picture.shape[1] - 1:  # of the front, which is nearer to the camera at one end
                picture = picture[:, int(passed):] if z_a < z_b else picture[:, :-int(passed)]
            stretch(layer, np.ascontiguousarray(picture), quad)
        return make

    near = max(z0, NEAR_M,
               0.8 * abs(x - camera.offset_m) * camera.focal_px / (REFERENCE_WIDTH / 2))  # where it enters the frame
    far = max(z1, near + 0.5)
    if z0 > NEAR_M + 1:
        a, b = ((far_x, z0), (x, z0)) if side < 0 else ((x, z0), (far_x, z0))
        end = paint(gain_end * 0.92, z0, z0, rng.random() < 0.75, 10.0)
        things.append(upright("building", a, b, 0, h, camera, end, z0))
    a, b = ((x, near), (x, far)) if side < 0 else ((x, far), (x, near))
    za, zb = (near, far) if side < 0 else (far, near)
    things.append(upright("building", a, b, 0, h, camera, paint(gain_front, za, zb, True, far - near), z0))
    if pitched:
        ridge_x, ridge_h = x + side * 4.5, h + rng.uniform(2.2, 4.0)
        polygon = camera.project(np.array([(x, h, near), (x, h, far), (ridge_x, ridge_h, far), (ridge_x, ridge_h,
            near)]))
        tile = np.array([(150, 74, 52), (120, 60, 48), (84, 84, 88),
                         (104, 76, 60)][rng.integers(4)]) * rng.uniform(0.8, 1.1)
        seed = int(rng.integers(2**31))
        gain = light.gain((-side * 0.5, 0.85, 0))

        def roof(layer, to_layer):
            layer[:] = np.clip(light.through_air(tile * gain, (near + far) / 2), 0, 255)
            layer[::3] = (layer[::3] * 0.86).astype(np.uint8)
            roughen(layer, np.random.default_rng(seed), 0.07, 16, 3)

        things.append(Thing("building", polygon, roof, z0))
        if z0 > NEAR_M + 1:
            gable = camera.project(np.array([(x, h, z0), (ridge_x, ridge_h, z0), (ridge_x + side * 4.5, h, z0)]))
            tone = tuple(np.array(home.wall) * 0.95)

            def gable_brush(layer, to_layer):
                layer[:] = np.clip(light.through_air(np.array(tone) * gain_end, z0), 0, 255)
                roughen(layer, np.random.default_rng(seed), 0.03, 16, 3)

            things.append(Thing("building", gable, gable_brush, z0))
    return [t for t in things if t is not None]


def wall(a, b, height: float, camera: Camera, light: Light, normal, rng: np.random.Generator) -> Thing | None:
    """Create a free-standing wall with a coping: concrete panels with graffiti, or stone blocks."""
    kind = rng.choice(["concrete", "stone", "stone"])
    colour = {"concrete": (158, 156, 150), "stone": (150, 138, 118)}[kind]
    colour = np.array(colour) * rng.uniform(0.7, 1.15) + rng.normal(0, 6, 3)
    paint_on = [(200, 60, 80), (50, 90, 170), (230, 200, 60), (60, 150, 90), (20, 20, 24)]
    graffiti = kind == "concrete" or rng.random() < 0.3
    seed = int(rng.integers(2**31))
    length = float(np.hypot(b[0] - a[0], b[1] - a[1]))

    def make(layer, quad):
        own = np.random.default_rng(seed)
        seen = max(np.linalg.norm(quad[3] - quad[0]), np.linalg.norm(quad[2] - quad[1]))
        ppm = float(np.clip(seen / height, 3, min(60, 1600 / length)))
        h, w = max(4, round(height * ppm)), max(4, round(length * ppm))
        lit = colour * light.gain(normal)
        if kind == "concrete":
            picture = tinted(1 + np.float32(0.08) * patch(own, (h, w), 2, 64, 4), lit)
            step = max(3, int(2.5 * ppm))
            picture[:, ::step] = (picture[:, ::step] * 0.55).astype(np.uint8)
        else:
            picture = bricks(h, w, max(0.4 * ppm, 2.0), lit, lit * 0.45, own)
        if graffiti:
            for _ in range(int(length / 3)):
                cx, cy, r = own.uniform(0, w), own.uniform(0.35, 0.8) * h, own.uniform(0.3, 0.7) * ppm
                ring = own.uniform(-1, 1, (7, 2)) * [1.6, 0.8] * r + [cx, cy]
                fill(picture, ring, np.clip(np.array(paint_on[own.integers(5)]) * light.gain(normal), 0, 255))
        picture[: max(1, int(0.1 * h))] = np.clip(lit * 1.3, 0, 255)  # coping
        _veil(picture, light, a[1], b[1])
        stretch(layer, picture, quad)

    return upright("wall", a, b, 0, height, camera, make, min(a[1], b[1]))


def fence(a, b, height: float, camera: Camera, light: Light, normal, rng: np.random.Generator) -> Thing | None:
    """Create a fence of bars, pickets, wire mesh or boards; it is see-through, but its polygon has no holes."""
    kind = rng.choice(["bars", "pickets", "mesh", "boards"], p=[0.35, 0.25, 0.25, 0.15])
    colour = np.array([(40, 44, 42), (44, 70, 56), (50, 56, 58), (200, 198, 190)][rng.choice(4, p=[0.35, 0.3, 0.2,
        0.15])])
    colour = colour * rng.uniform(0.8, 1.1)
    length = float(np.hypot(b[0] - a[0], b[1] - a[1]))

    def make(layer, quad):
        seen = max(np.linalg.norm(quad[3] - quad[0]), np.linalg.norm(quad[2] - quad[1]))
        ppm = float(np.clip(seen / height, 4, min(70, 2400 / length)))
        h, w = max(6, round(height * ppm)), max(6, round(length * ppm))
        gap, bar = {"bars": (0.16, 0.04), "pickets": (0.2, 0.12), "mesh": (0.12, 0.03), "boards": (0.3, 0.28)}[kind]
        x, y = np.arange(w) / ppm, height - np.arange(h) / ppm
        cover = np.zeros((h, w), np.float32)
        thin = max(bar, 1.0 / ppm)
        if kind == "mesh":
            d1, d2 = np.mod(x[None] + y[:, None], gap), np.mod(x[None] - y[:, None], gap)
            cover[(d1 < thin) | (d2 < thin)] = 0.75
        else:
            cover[:, np.mod(x, gap) < thin] = 1
        for rail in (0.12 * height, 0.88 * height):
            cover[np.abs(y - rail) < max(0.04, 0.7 / ppm)] = 1
        cover[:, np.mod(x, 2.4) < max(0.08, 1.2 / ppm)] = 1
        picture = np.empty((h, w, 3), np.uint8)
        picture[:] = np.clip(colour * light.gain(normal), 0, 255)
        behind = layer.copy()
        layer[:] = (layer * 0.86).astype(np.uint8)
        stretch(layer, picture, quad, (cover * 255).astype(np.uint8))
        t = np.exp(-light.haze_per_m * (a[1] + b[1]) / 2)
        layer[:] = np.clip(behind + (layer.astype(np.float32) - behind) * t, 0, 255).astype(np.uint8)

    return upright("fence", a, b, 0, height, camera, make, min(a[1], b[1]))


def guard_rail(a, b, camera: Camera, light: Light, normal) -> Thing | None:
    """Create a steel rail on posts; the ground shows below it, but its polygon has no holes."""
    def make(layer, quad):
        length = int(np.clip(np.hypot(b[0] - a[0], b[1] - a[1]) * 12, 24, 900))
        picture = np.empty((24, length, 3), np.uint8)
        picture[:] = light.shade((158, 162, 164), normal, (a[1] + b[1]) / 2)
        picture[5:8] = (picture[5:8] * 0.7).astype(np.uint8)
        cover = np.zeros((24, length), np.uint8)
        cover[:12] = 255
        cover[:, ::24] = cover[:, 1::24] = 255
        stretch(layer, picture, quad, cover)

    return upright("guard rail", a, b, 0.0, 0.75, camera, make, min(a[1], b[1]))


def hedge(a, b, height: float, camera: Camera, light: Light, colour, rng: np.random.Generator,
          bumps: float = 0.12) -> Thing | None:
    """Create a hedge or a row of bushes or trees along a line, with an uneven top."""
    a, b = np.array(a, float), np.array(b, float)
    for p, q in ((a, b), (b, a)):
        if p[1] < NEAR_M:
            if q[1] <= NEAR_M:
                return None
            p += (q - p) * (NEAR_M - p[1]) / (q[1] - p[1])
    n = int(np.clip(np.hypot(*(b - a)) / (height * 0.35), 6, 60))
    t = np.linspace(0, 1, n)
    line = a + (b - a) * t[:, None]
    tops = height * (1 + bumps * rng.standard_normal(n))

    def seen_from(eye: Camera) -> np.ndarray | None:
        top = eye.project(np.stack([line[:, 0], tops, line[:, 1]], 1))
        base = eye.project(np.array([(b[0], 0, b[1]), (a[0], 0, a[1])]))
        return outline([np.concatenate([top, base])])

    if (polygon := seen_from(camera.start)) is None:
        return None
    seed, z = int(rng.integers(2**31)), float(np.sqrt(max(a[1], 1) * max(b[1], 1)))
    colour = np.array(colour) * rng.uniform(0.75, 1.15) + rng.normal(0, 5, 3)
    if camera.travel_m:  # only now, so that all random numbers are those of the start
        polygon = seen_from(camera) if max(a[1], b[1]) > camera.near_m else None
        if polygon is None:
            return None

    def brush(layer, to_layer):
        grain = camera.scale(z) * 0.5 * (layer.shape[0] / max(1.0, np.ptp(polygon[:, 1])))
        foliage(layer, np.random.default_rng(seed), colour, light, z, grain)

    return Thing("vegetation", polygon, brush, min(a[1], b[1]))
