"""Sky and ground, shaded per pixel."""

from __future__ import annotations

import cv2
import numpy as np

from helpers.miniscapes.camera import REFERENCE_WIDTH, Camera
from helpers.miniscapes.canvas import Brush, Canvas
from helpers.miniscapes.light import Light
from helpers.miniscapes.textures import TILE, fill, noise


def sky_brush(light: Light, camera: Camera, seed: int) -> Brush:
    """Return a brush for a gradient with clouds that flatten towards the horizon."""

    def brush(layer, to_layer):
        rng = np.random.default_rng(seed)
        h, w = layer.shape[:2]
        scale = float(np.diff(to_layer(np.array([[0, 0], [1, 0]])), axis=0)[0, 0])
        t = np.clip(np.arange(h, dtype=np.float32) / max(1.0, camera.horizon_px * scale), 0, 1)[:, None]
        colour = light.zenith * (1 - t) ** 1.3 + light.skyline * (1 - (1 - t) ** 1.3)  # (h, 3)
        layer[:] = np.clip(colour, 0, 255).astype(np.uint8)[:, None]
        if light.clouds > 0:
            rows, columns = max(2, h // 2), max(2, w // 2)  # clouds are soft: half the resolution is enough
            depth = 1.0 / np.clip(1.12 - np.linspace(0, float(t[-1, 0]), rows), 0.1, 2)
            y = np.cumsum(depth) * 330 / rows + rng.integers(TILE)
            x = (np.arange(columns) / columns - 0.5)[None] * 230 * depth[:, None] ** 0.7 + rng.integers(TILE)
            cover = cv2.remap(noise(7, 128, 6), (x % TILE).astype(np.float32), np.repeat(y[:, None] % TILE, columns,
                1).astype(np.float32),
                              cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            alpha = np.clip(cover * 0.55 + light.clouds * 1.5 - 0.75, 0, 1) * min(1.0, light.clouds + 0.35)
            tone = np.clip(1.0 - 0.12 * cover, 0.7, 1.05)
            alpha, tone = (cv2.resize(m.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR) for m in (alpha,
                tone))
            lit = np.clip(light.skyline * 0.55 + 120 * (1 - light.night) + np.array([10, 8, 4]), 0, 252)
            clear = 1 - alpha
            tone *= alpha
            for c in range(3):
                layer[..., c] = cv2.add(layer[..., c] * clear, tone * float(lit[c]), dtype=cv2.CV_8U)

    return brush


class Ground:
    """Shades the road plane of a frame, with the world position of every ground pixel.

    x, z: float32 metres, z from the camera, for the rows below the horizon, every `step` pixels; first: the first such
    row of the image.
    """

    def __init__(self, canvas: Canvas, camera: Camera, light: Light, seed: int):
        self.canvas, self.camera, self.light, self.seed = canvas, camera, light, seed
        h, w = canvas.image.shape[:2]
        self.pixel = REFERENCE_WIDTH / w  # reference pixels per painted pixel
        self.first = min(h - 1, max(0, int(camera.horizon_px / self.pixel) + 1))
        self.step = 2 if w >= 2048 else 1  # grain of large frames has half the resolution
        u = (np.arange(0, w, self.step, dtype=np.float32)[None] + 0.5) * self.pixel
        v = (np.arange(self.first, h, dtype=np.float32)[:, None] + 0.5) * self.pixel
        x, z = camera.ground(u, v[::self.step])
        self.x = x.astype(np.float32)
        self.z = z.astype(np.float32)  # (rows, 1): the same along a row
        self.shadow = np.ones((h - self.first, w), np.float32)
        self.air = np.exp(-light.haze_per_m * camera.ground(u[:, :1], v)[1]).astype(np.float32)

    def cast(self, polygons: list[np.ndarray], darkness: float, soft_px: float) -> None:
        """Darken the ground under polygons (reference pixels): shadows of houses, trees and cars."""
        h, w = self.shadow.shape
        soft = int(max(1.0, soft_px / self.pixel))
        for p in polygons:
            p = p / self.pixel - [0, self.first]
            low = np.clip(np.floor(p.min(0)).astype(int) - 2 * soft - 1, 0, [w, h])
            high = np.clip(np.ceil(p.max(0)).astype(int) + 2 * soft + 2, 0, [w, h])
            area = self.shadow[low[1]:high[1], low[0]:high[0]]
            if not area.size:
                continue
            mask = np.zeros(area.shape, np.uint8)
            fill(mask, np.clip(p, -2 * w, 3 * w) - low, (255,))
            area *= 1 - (darkness / 255) * cv2.blur(mask, (soft * 2 + 1, soft // 2 * 2 + 1)).astype(np.float32)

    def brush(self, material: str, colour) -> Brush:
        """Return a brush for asphalt, paving, cobbles, grass or concrete."""
        light = self.light

        def paint(layer, to_layer):
            origin = -to_layer(np.zeros((1, 2)))[0]
            y0, x0 = int(round(origin[1])), int(round(origin[0]))
            h, w = layer.shape[:2]
            top = max(0, self.first - y0)
            rows = slice(y0 + top - self.first, y0 + h - self.first)
            columns = slice(x0, x0 + w)
            if rows.stop <= rows.start:
                layer[:] = light.shade(colour, (0, 1, 0), 200)
                return
            k = self.step
            part = Patch(self, slice(rows.start // k, -(-rows.stop // k)), slice(x0 // k, -(-(x0 + w) // k)))
            tone = (1 + part.texture(material)).astype(np.float32)
            if k > 1:
                tone = cv2.resize(tone, None, fx=k, fy=k, interpolation=cv2.INTER_LINEAR)
                tone = tone[rows.start % k:rows.start % k + rows.stop - rows.start, x0 % k:x0 % k + w]
            tone = tone * self.shadow[rows, columns]
            base = np.asarray(colour, np.float32) * light.gain((0, 1, 0)).astype(np.float32)
            air = self.air[rows]
            # split so that only one full-size product is needed: tone * base * air + haze * (1 - air)
            lit = tone * air
            channels = [cv2.add(lit * base[c], np.repeat(light.haze[c] * (1 - air), w, 1).astype(np.float32),
                                dtype=cv2.CV_8U) for c in range(3)]
            layer[top:] = cv2.merge(channels)
            if top:
                layer[:top] = light.shade(colour, (0, 1, 0), 200)

        return paint


class Patch:
    """A section of the ground plane and its textures."""

    def __init__(self, ground: Ground, rows: slice, columns: slice):
        self.x, self.z = ground.x[rows, columns], ground.z[rows]
        self.along = self.z + np.float32(ground.camera.travel_m)  # the texture stays where it is
        shift = np.random.default_rng(ground.seed).integers(0, TILE, 2)
        self.shift = shift

    def _noise(self, kind, cell, octaves, per_m):
        tile = noise(kind, cell, octaves)
        x = ((self.x * per_m).astype(np.int32) + self.shift[0]) & (TILE - 1)
        z = ((self.along * per_m).astype(np.int32) + self.shift[1]) & (TILE - 1)
        fade = np.clip(240.0 / (self.z * per_m), 0.06, 1)
        return tile[z, x] * fade

    def texture(self, material: str) -> np.ndarray:
        """Relative brightness, mean about 0, float32 (h, w)."""
        wide = self._noise(11, 64, 4, 10.0)
        if material == "asphalt":
            tracks = 0.035 * np.cos(self.x * (2 * np.pi / 1.75))
            return 0.06 * wide + 0.05 * self._noise(12, 2, 1, 40.0) + tracks
        if material == "grass":
            return 0.17 * self._noise(13, 16, 4, 24.0) + 0.12 * wide
        size = {"paving": 0.6, "cobbles": 0.22, "concrete": 2.5}[material]
        fade = np.clip(14.0 * size / self.z, 0, 1)
        gap = 0.05 + 0.0012 * self.z / size
        zz = self.along / size
        shifted = self.x / size + (np.floor(zz) % 2) * 0.5
        joint = (np.mod(zz, 1) < gap) | (np.mod(shifted, 1) < gap)
        cell_x, cell_z = np.floor(shifted).astype(np.int32), np.floor(zz).astype(np.int32)
        slab = noise(14, 1, 1)[cell_z & (TILE - 1), cell_x & (TILE - 1)]
        return 0.045 * wide + fade * (0.05 * slab - 0.2 * joint) + 0.03 * self._noise(12, 2, 1, 40.0)


def streak(points: np.ndarray, colour, wear: float, seed: int):
    """Return a function that draws worn paint (lane markings, crossings) on a canvas."""

    def draw(canvas: Canvas) -> None:
        factor = canvas.image.shape[1] / REFERENCE_WIDTH
        p = points * factor
        low = np.maximum(np.floor(p.min(0)).astype(int) - 1, 0)
        high = np.ceil(p.max(0)).astype(int) + 2
        target = canvas.image[low[1]:high[1], low[0]:high[0]]
        if target.size == 0:
            return
        cover = np.zeros(target.shape[:2], np.uint8)
        fill(cover, p - low, (255,))
        y, x = np.nonzero(cover)
        grain = noise(15, 16, 4)[(y + low[1]) % TILE, (x + low[0] + seed) % TILE]
        alpha = cover[y, x] * (np.clip(1.0 - wear * (1 + grain), 0.05, 0.95) / 255)
        under = target[y, x]
        target[y, x] = (under + (np.asarray(colour, np.float32) - under) * alpha[:, None]).astype(np.uint8)

    return draw
