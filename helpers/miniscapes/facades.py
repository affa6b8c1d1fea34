"""House fronts: textures with rows of windows, doors and shops, drawn at about their size in the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.miniscapes.light import Light
from helpers.miniscapes.textures import box, bricks, patch, tinted

# Wall colours (RGB).
PLASTER = [(214, 200, 170), (222, 212, 194), (196, 178, 150), (205, 172, 138), (186, 180, 170), (170, 128, 104),
           (216, 200, 150), (176, 160, 136), (150, 142, 132), (196, 156, 140), (206, 190, 176), (230, 222, 208)]
LAMPLIGHT = [(255, 214, 140), (255, 236, 190), (230, 225, 255)]
BRICK = [(136, 74, 58), (152, 92, 70), (116, 66, 56), (170, 120, 90), (108, 84, 76)]


@dataclass(frozen=True)
class House:
    """Appearance of a building: width and height in metres, storeys, style and colours."""

    width_m: float
    height_m: float
    style: str  # plaster, brick, office, shop, industrial
    wall: tuple[int, int, int]
    trim: tuple[int, int, int]
    storey_m: float
    bay_m: float
    shop: bool
    lit: float  # share of lit windows
    seed: int


def make_house(width_m: float, height_m: float, style: str, light: Light, rng: np.random.Generator) -> House:
    wall = BRICK[rng.integers(len(BRICK))] if style == "brick" else PLASTER[rng.integers(len(PLASTER))]
    wall = tuple(int(v) for v in np.clip(np.array(wall) * rng.uniform(0.8, 1.1) + rng.normal(0, 7, 3), 25, 245))
    trim = tuple(int(v) for v in rng.choice([(235, 232, 224), (90, 70, 55), (60, 66, 72), (200, 192, 176)]))
    lit = 0.45 * light.night + (0.06 if light.night == 0 else 0.0)
    return House(width_m, height_m, style, wall, trim, float(rng.uniform(2.9, 3.6)), float(rng.uniform(1.9, 3.1)),
                 bool(style in ("shop", "plaster", "brick") and rng.random() < (0.9 if style == "shop" else 0.3)),
                 lit, int(rng.integers(2**31)))


def _window(picture, x0, y0, x1, y1, house: House, light: Light, gain, rng) -> None:
    """Draw a window: frame, glass that reflects the sky, curtains or lamplight."""
    s = x1 - x0
    trim = [c * g for c, g in zip(house.trim, gain, strict=True)]
    lit, shade, lower, curtain = rng.random(4).tolist()
    if s > 5:
        box(picture, x0 - s * 0.09, y0 - s * 0.09, x1 + s * 0.09, y1 + s * 0.14, trim)
    if lit < house.lit:
        glow = 0.7 + 0.3 * light.night
        glass = [c * glow for c in LAMPLIGHT[int(shade * len(LAMPLIGHT))]]
    else:
        dim = (0.14 + 0.32 * shade) * (0.5 if light.night > 0.9 else 1)
        glass = [c * dim * tint for c, tint in zip(light.skyline.tolist(), (0.8, 0.9, 1.0), strict=True)]
    box(picture, x0, y0, x1, y1, glass)
    if s <= 3:
        return
    if lit >= house.lit:
        box(picture, x0, y0 + (y1 - y0) * (0.45 + 0.35 * lower), x1, y1, [c * 0.75 for c in glass])
    if curtain < 0.3:
        box(picture, x0, y0, x0 + s * 0.25, y1, [180 * g for g in gain])
    if s > 7:
        bar = max(1.0, s * 0.05)
        middle = (x0 + x1) / 2
        box(picture, middle - bar / 2, y0, middle + bar / 2, y1, trim)
        box(picture, x0, y0 + (y1 - y0) * 0.3, x1, y0 + (y1 - y0) * 0.3 + bar, trim)


def _ground_floor(picture, house: House, light: Light, gain, ppm, rng) -> None:
    """Draw shop windows with a sign above them, or a door."""
    h, w = picture.shape[:2]
    top = h - house.storey_m * ppm
    if house.shop:
        sign = np.array(rng.choice([(180, 40, 40), (40, 90, 160), (230, 190, 60), (40, 120, 70), (235, 235, 235),
                                    (30, 30, 34), (210, 110, 40)]))
        box(picture, 0, top, w, h, np.array(house.wall) * gain * 0.8)
        shine = 1.0 if light.night else 0.0
        x = 0.4 * ppm
        while x < w - 1.6 * ppm:
            wide = min(rng.uniform(2.2, 4.2) * ppm, w - 0.4 * ppm - x)
            glass = light.skyline * rng.uniform(0.15, 0.4) * (1 - shine) + np.array((250, 226, 170)) * shine * 0.85
            box(picture, x, top + 0.85 * ppm, x + wide, h - 0.35 * ppm, glass)
            for _ in range(4):  # goods in the window
                gx, gy = x + rng.uniform(0.05, 0.85) * wide, h - rng.uniform(0.5, 1.7) * ppm
                box(picture, gx, gy, gx + 0.3 * ppm, h - 0.4 * ppm, rng.uniform(60, 220, 3) * (gain + shine) * 0.6)
            x += wide + 0.45 * ppm
        box(picture, 0, top + 0.1 * ppm, w, top + 0.72 * ppm, sign * np.maximum(gain, shine * 0.8))
        for x in np.arange(0.8 * ppm, w - 1.0 * ppm, 0.42 * ppm):  # lettering
            if rng.random() < 0.7:
                box(picture, x, top + 0.26 * ppm, x + 0.24 * ppm, top + 0.56 * ppm, (255 - sign) * np.maximum(gain,
                    shine))
        return
    door = rng.uniform(0.15, 0.75) * w
    colour = np.array(rng.choice([(92, 60, 40), (50, 64, 58), (120, 30, 30), (40, 48, 70), (150, 140, 120)]))
    box(picture, door - 0.15 * ppm, h - 2.55 * ppm, door + 1.3 * ppm, h, np.array(house.trim) * gain * 0.9)
    box(picture, door, h - 2.4 * ppm, door + 1.15 * ppm, h, colour * gain)
    box(picture, 0, h - 0.5 * ppm, door - 0.15 * ppm, h, np.array(house.wall) * gain * 0.6)  # plinth
    box(picture, door + 1.3 * ppm, h - 0.5 * ppm, w, h, np.array(house.wall) * gain * 0.6)


def front(house: House, light: Light, gain, ppm: float, windows: bool = True) -> np.ndarray:
    """Draw a house front, uint8 RGB (height_m * ppm, width_m * ppm, 3). gain: light on it; ppm: pixels per metre."""
    rng = np.random.default_rng(house.seed)
    ppm = float(np.clip(ppm, 1.0, 900 / max(house.width_m, house.height_m)))
    h, w = max(4, round(house.height_m * ppm)), max(4, round(house.width_m * ppm))
    wall = np.array(house.wall, np.float64) * gain
    if house.style == "brick":
        picture = bricks(h, w, max(0.12 * ppm, 1.6), wall, np.clip(wall * 0.6 + 70 * gain, 0, 255), rng)
    else:
        stain = patch(rng, (h, w), 2, 64, 4) * np.float32(0.045) + patch(rng, (h, w), 3, 3) * np.float32(0.025)
        picture = tinted(stain + np.float32(1), wall)
    if not windows:
        return picture
    gain = np.asarray(gain).tolist()
    storeys = max(1, int(house.height_m / house.storey_m))
    storey = house.height_m / storeys * ppm
    bays = max(1, int(house.width_m / house.bay_m))
    bay = w / bays
    glassy = house.style == "office"
    wide, tall = (0.86, 0.62) if glassy else (rng.uniform(0.38, 0.58), rng.uniform(0.46, 0.6))
    balcony = not glassy and rng.random() < 0.25
    for row in range(storeys):
        y = row * storey
        if row and rng.random() < 0.6:
            box(picture, 0, y, w, y + max(1, 0.12 * ppm), wall * 1.12)
        if row == storeys - 1 and house.style != "office":
            break
        for column in range(bays):
            x = column * bay
            top = y + storey * (1 - tall) * 0.5
            _window(picture, x + bay * (1 - wide) / 2, top, x + bay * (1 + wide) / 2, top + storey * tall, house, light,
                    gain, rng)
            if balcony and column % 2:
                box(picture, x + bay * 0.05, y + storey * 0.62, x + bay * 0.95, y + storey * 0.95,
                    [72 * g for g in gain])
    if house.style == "industrial":
        for x in np.arange(0, w, max(2.0, 0.5 * ppm)):
            box(picture, x, 0, x + max(1, 0.06 * ppm), h, wall * 0.85)
    elif not glassy:
        _ground_floor(picture, house, light, np.array(gain), ppm, rng)
    box(picture, 0, 0, w, max(1, 0.35 * ppm), wall * 0.75)  # cornice
    box(picture, 0, 0, max(1, 0.1 * ppm), h, wall * 0.8)  # party wall
    return picture
