"""Sky and ground: what lies behind and under everything else, shaded pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

from helpers.miniscapes.camera import REFERENCE_WIDTH, Camera
from helpers.miniscapes.canvas import Brush, Canvas
from helpers.miniscapes.light import Light
from helpers.miniscapes.textures import TILE, fill, noise


def sky_brush(light: Light, camera: Camera, seed: int) -> Brush:
    """A gradient with clouds that flatten towards the horizon."""

    def brush(layer, to_layer):
        rng = np.random.default_rng(seed)
        h, w = layer.shape[:2]
        scale = float(np.diff(to_layer(np.array([[0, 0], [1, 0]])), axis=0)[0, 0])
        t = np.clip(np.arange(h, dtype=np.float32) / max(1.0, camera.horizon_px * scale), 0, 1)[:, None]
        colour = light.zenith * (1 - t) ** 1.3 + light.skyline * (1 - (1 - t) ** 1.3)  # (h, 3)
        layer[:] = np.clip(colour, 0, 255).astype(np.uint8)[:, None]
        if light.clouds > 0:
            depth = 1.0 / np.clip(1.12 - t[:, 0], 0.1, 2)
            y = (np.cumsum(depth) * 110 / max(h, 1) * 3 + rng.integers(TILE)).astype(np.float32)
            x = ((np.arange(w) / max(w, 1) - 0.5)[None] * 230 * depth[:, None] ** 0.7 + rng.integers(TILE)).astype(np.float32)
            cover = cv2.remap(noise(7, 128, 6), x % TILE, np.repeat(y[:, None], w, 1) % TILE, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            alpha = np.clip(cover * 0.55 + light.clouds * 1.5 - 0.75, 0, 1) * min(1.0, light.clouds + 0.35)
            lit = np.clip(light.skyline * 0.55 + 120 * (1 - light.night) + np.array([10, 8, 4]), 0, 252)
            tone = np.clip(1.0 - 0.12 * cover, 0.7, 1.05)[..., None]
            a = alpha[..., None].astype(np.float32)
            layer[:] = np.clip(layer + (lit.astype(np.float32) * tone - layer) * a, 0, 255).astype(np.uint8)

    return brush


class Ground:
    """Shades the road plane. One instance a frame: it keeps the world position of every ground pixel.

    x, z: float32 (h, w) metres for the rows below the horizon; first: the first such row of the painted image.
    """

    def __init__(self, canvas: Canvas, camera: Camera, light: Light, seed: int):
        self.canvas, self.camera, self.light, self.seed = canvas, camera, light, seed
        h, w = canvas.image.shape[:2]
        self.pixel = REFERENCE_WIDTH / w  # reference pixels per painted pixel
        self.first = min(h - 1, max(0, int(camera.horizon_px / self.pixel) + 1))
        u = (np.arange(w, dtype=np.float32)[None] + 0.5) * self.pixel
        v = (np.arange(self.first, h, dtype=np.float32)[:, None] + 0.5) * self.pixel
        x, z = camera.ground(u, v)
        self.x = x.astype(np.float32)
        self.z = np.broadcast_to(z, x.shape).astype(np.float32)[:, :1]  # the same along a row
        self.shadow = np.ones(x.shape, np.float32)
        self.air = np.exp(-light.haze_per_m * self.z)

    def cast(self, polygons: list[np.ndarray], darkness: float, soft_px: float) -> None:
        """Darkens the ground under polygons (reference pixels): shadows of houses, trees, cars."""
        mask = np.zeros(self.shadow.shape, np.uint8)
        for p in polygons:
            fill(mask, p / self.pixel - [0, self.first], (255,))
        soft = max(1.0, soft_px / self.pixel)
        mask = cv2.blur(mask, (int(soft) * 2 + 1, int(soft) // 2 * 2 + 1))
        self.shadow *= 1 - darkness * (mask.astype(np.float32) / 255)

    def brush(self, material: str, colour, detail: float = 1.0) -> Brush:
        """A brush for asphalt, paving, cobbles, grass, gravel or concrete on the plane."""
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
            part = Patch(self, rows, columns)
            tone = 1 + detail * part.texture(material)
            tone *= self.shadow[rows, columns]
            base = np.asarray(colour, np.float32) * light.gain((0, 1, 0)).astype(np.float32)
            air = self.air[rows]
            # split so that only one full-size product is needed: tone * base * air + haze * (1 - air)
            veil = (light.haze.astype(np.float32) * (1 - air))[:, None, :]
            layer[top:] = np.clip((tone * air)[..., None] * base + veil, 0, 255).astype(np.uint8)
            if top:
                layer[:top] = light.shade(colour, (0, 1, 0), 200)

        return paint


class Patch:
    """A window on the ground plane, and the textures there."""

    def __init__(self, ground: Ground, rows: slice, columns: slice):
        self.ground, self.rows = ground, rows
        self.x, self.z = ground.x[rows, columns], ground.z[rows]
        self.columns = columns
        shift = np.random.default_rng(ground.seed).integers(0, TILE, 2)
        self.shift = shift

    def _noise(self, kind, cell, octaves, per_m):
        tile = noise(kind, cell, octaves)
        x = ((self.x * per_m).astype(np.int32) + self.shift[0]) & (TILE - 1)
        z = ((self.z * per_m).astype(np.int32) + self.shift[1]) & (TILE - 1)
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
        if material == "gravel":
            return 0.14 * self._noise(12, 3, 2, 40.0) + 0.06 * wide
        size = {"paving": 0.6, "cobbles": 0.22, "concrete": 2.5}[material]
        fade = np.clip(14.0 * size / self.z, 0, 1)
        gap = 0.05 + 0.0012 * self.z / size
        zz = self.z / size
        shifted = self.x / size + (np.floor(zz) % 2) * 0.5
        joint = (np.mod(zz, 1) < gap) | (np.mod(shifted, 1) < gap)
        cell_x, cell_z = np.floor(shifted).astype(np.int32), np.floor(zz).astype(np.int32)
        slab = noise(14, 1, 1)[cell_z & (TILE - 1), cell_x & (TILE - 1)]
        return 0.045 * wide + fade * (0.05 * slab - 0.2 * joint) + 0.03 * self._noise(12, 2, 1, 40.0)


def streak(points: np.ndarray, colour, wear: float, seed: int):
    """Paint on the road (lane marks, crossings): a function that draws it on the whole image, worn in places."""

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
        grain = noise(15, 16, 4)[np.arange(low[1], low[1] + cover.shape[0])[:, None] % TILE, (np.arange(low[0], low[0] + cover.shape[1]) + seed)[None] % TILE]
        alpha = cover.astype(np.float32) / 255 * np.clip(1.0 - wear * (1 + grain), 0.05, 0.95)
        target[:] = (target + (np.asarray(colour, np.float32) - target) * alpha[..., None]).astype(np.uint8)

    return draw
