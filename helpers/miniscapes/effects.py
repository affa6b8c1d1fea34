"""Image effects: wet roads, lamps at night, lens, noise and white balance."""

from __future__ import annotations

import cv2
import numpy as np

from helpers.miniscapes.camera import REFERENCE_WIDTH
from helpers.miniscapes.light import Light
from helpers.miniscapes.textures import patch


def wet_ground(image: np.ndarray, ground: np.ndarray, horizon_px: float, light: Light,
               rng: np.random.Generator) -> None:
    """Reflect the upper image in the ground pixels. image uint8 (H, W, 3), ground bool (H, W); in place."""
    h, w = image.shape[:2]
    scale = w / REFERENCE_WIDTH
    horizon = int(np.clip(horizon_px * scale, 1, h - 2))
    rows = np.clip(2 * horizon - np.arange(h), 0, h - 1)[horizon:]
    mirror = cv2.blur(image[rows], (max(1, int(9 * scale)), max(3, int(120 * scale))))
    puddle = patch(rng, (h - horizon, w), 21, 64, 3)
    depth = np.linspace(1.0, 0.45, h - horizon, dtype=np.float32)[:, None]
    alpha = np.clip(0.42 + 0.2 * puddle, 0.08, 0.8) * light.wet * depth * ground[horizon:]
    part = image[horizon:]
    part[:] = (part + (mirror.astype(np.float32) - part) * alpha[..., None]).astype(np.uint8)


def add_glow(image: np.ndarray, lamps: list[tuple[float, float, float, tuple, float]]) -> None:
    """Add halos of lamps. lamps: (u, v, radius) in reference pixels, RGB, strength 0 to 1; in place."""
    h, w = image.shape[:2]
    scale = w / REFERENCE_WIDTH
    for u, v, radius, colour, strength in lamps:
        x, y, r = u * scale, v * scale, max(2.0, radius * scale)
        x0, x1, y0, y1 = (int(t) for t in (max(0, x - 2 * r), min(w, x + 2 * r + 1), max(0, y - 2 * r),
                                           min(h, y + 2 * r + 1)))
        if x1 <= x0 or y1 <= y0:
            continue
        d2 = ((np.arange(x0, x1) - x) ** 2)[None] + ((np.arange(y0, y1) - y) ** 2)[:, None]
        light = (np.exp(-d2 / (0.5 * r * r)) * strength).astype(np.float32)[..., None]
        area = image[y0:y1, x0:x1]
        area[:] = (area + (255.0 - area) * light * (np.asarray(colour, np.float32) / 255)).astype(np.uint8)


def sensor(image: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Apply blur, vignette, contrast, white balance and noise to an image, uint8 (H, W, 3)."""
    h, w = image.shape[:2]
    scale = w / REFERENCE_WIDTH
    sigma = max(0.42, light.blur_px * scale)
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    length = int(round(light.motion_px * scale))
    if length >= 2:
        image = cv2.blur(image, (length, 1))
    levels = np.arange(256, dtype=np.float32)
    curve = [np.clip(((levels - 110) * light.contrast + 110) * gain, 0, 255) for gain in light.white]
    table = np.stack(curve, -1).round().astype(np.uint8)[None]  # (1, 256, 3)
    image = cv2.LUT(image, table)
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, w, dtype=np.float32)[None]
    vignette = 1 - 0.13 * (x * x + 0.6 * y * y) ** 1.2
    strength = light.grain * (0.35 + 0.65 * scale)  # a small frame is an average of many sensor pixels
    grain = patch(rng, (h, w), 31, 1) * strength
    colour_grain = [patch(rng, (h, w), 32 + k, 2) * (strength * 0.45) + grain for k in range(3)]
    return cv2.add(cv2.multiply(image, cv2.merge([vignette] * 3), dtype=cv2.CV_32F), cv2.merge(colour_grain),
                   dtype=cv2.CV_8U)
