"""Cars, vans, lorries, buses, trams and caravans as solids, in metres."""

from __future__ import annotations

import numpy as np

from helpers.miniscapes.solids import Solid

# Paint colours in about the proportions of German traffic: mostly greys.
PAINTS = [(226, 226, 224), (196, 198, 200), (150, 153, 156), (120, 124, 128), (96, 100, 104), (70, 74, 80),
          (46, 50, 56), (30, 32, 36), (22, 24, 30), (34, 38, 52), (150, 30, 30), (110, 20, 28), (36, 62, 120),
          (60, 100, 150), (40, 80, 60), (170, 160, 130), (120, 90, 70), (200, 120, 40)]
LIVERIES = [(190, 40, 40), (230, 190, 50), (60, 110, 170), (235, 235, 230), (60, 130, 80), (225, 130, 40),
            (120, 50, 110), (50, 150, 160), (150, 152, 156)]
GLASS = (52, 60, 66)


def _paint(rng, choices=PAINTS):
    return tuple(np.clip(np.array(choices[rng.integers(len(choices))]) * rng.uniform(0.8, 1.1) + rng.normal(0, 5, 3),
                         8, 250))


def _lamps(tail: int, nose: int, night: float, low=0.55, high=0.95, braking=False):
    """Red lamps on the tail edge, white ones on the nose edge."""
    red = (255, 40, 30) if braking or night else (150, 20, 22)
    white = (255, 250, 225) if night else (215, 220, 222)
    lamps = []
    for s in (-1, 1):
        lamps.append((tail, np.array([(s * 0.98, low), (s * 0.66, low), (s * 0.7, high), (s * 0.98, high)]), red,
                      braking or night > 0))
        lamps.append((nose, np.array([(s * 0.97, 0.1), (s * 0.6, 0.1), (s * 0.66, 0.6), (s * 0.97, 0.55)]), white,
                      night > 0))
    return lamps


def car(rng: np.random.Generator, night: float) -> list[Solid]:
    """A hatchback, saloon, estate, SUV or van."""
    kind = rng.choice(["hatch", "saloon", "estate", "suv", "van"], p=[0.33, 0.22, 0.2, 0.15, 0.10])
    h = {"hatch": 1.48, "saloon": 1.44, "estate": 1.47, "suv": 1.68, "van": 2.05}[kind] * rng.uniform(0.97, 1.03)
    length = {"hatch": 4.0, "saloon": 4.6, "estate": 4.6, "suv": 4.6, "van": 4.9}[kind] * rng.uniform(0.96, 1.04)
    w = {"van": 0.97, "suv": 0.94}.get(kind, 0.88)
    belt, deck = h * 0.62, {"saloon": 0.85}.get(kind, 0.12)
    roof_back = {"hatch": 0.75, "saloon": 1.55, "estate": 0.5, "suv": 0.6, "van": 0.2}[kind]
    roof_front, screen = length * (0.72 if kind == "van" else 0.55), length * (0.86 if kind == "van" else 0.74)
    narrow = w * (0.9 if kind == "van" else 0.78)
    profile = np.array([(0.02, 0.28, w * 0.94), (0.0, 0.58, w), (deck * 0.4, belt, w * 0.98),
                        (deck + 0.02, belt + 0.02, w * 0.96),
                        (roof_back, h * 0.96, narrow), (roof_back + 0.5, h, narrow), (roof_front, h * 0.99, narrow),
                        (screen, belt + 0.02, w * 0.95), (length * 0.96, h * 0.53, w * 0.93), (length, 0.52, w * 0.97),
                        (length - 0.02, 0.26, w * 0.92)])
    paint = _paint(rng)
    dark = tuple(np.array(paint) * 0.55)
    glass = [(3, np.array([(-0.86, 0.12), (0.86, 0.12), (0.86, 0.9), (-0.86, 0.9)]), GLASS, False),
             (6, np.array([(-0.9, 0.06), (0.9, 0.06), (0.9, 0.92), (-0.9, 0.92)]), (66, 76, 84), False)]
    if kind == "van" and rng.random() < 0.6:
        glass = glass[1:]
    low, top = belt + 0.05, h * 0.93
    lean = (top - low) / max(0.2, h - belt)
    back, front = deck + 0.12 + (roof_back - deck) * lean, screen - (screen - roof_front) * lean - 0.1
    middle = (back + front) / 2 + 0.1
    sides = [("side", np.array([(deck + 0.3, low), (middle - 0.06, low), (middle - 0.06, top), (back + 0.05, top)]),
              GLASS, False),
             ("side", np.array([(middle + 0.06, low), (screen - 0.22, low), (front, top), (middle + 0.06, top)]),
              GLASS, False)]
    if kind == "van":
        sides = sides[1:]
    line = [("side", np.array([(middle, 0.35), (middle + 0.03, 0.35), (middle + 0.03, low), (middle, low)]), dark,
             False),
            ("side", np.array([(0.6, 0.26), (length - 0.6, 0.26), (length - 0.6, 0.36), (0.6, 0.36)]), (24, 24, 26),
             False)]
    grille = [(9, np.array([(-0.5, 0.15), (0.5, 0.15), (0.5, 0.55), (-0.5, 0.55)]), (28, 30, 32), False)]
    lamps = _lamps(1, 8, night, braking=rng.random() < 0.25)
    return [Solid(profile, paint, glass + sides + line + grille + lamps, [(length * 0.19, 0.32), (length * 0.82,
        0.32)],
                  [0, 9], 2 * w)]


def _box(length, w, h, base=0.35, slope=0.15) -> np.ndarray:
    return np.array([(0.0, base, w), (0.0, 1.05, w), (0.02, h * 0.86, w), (0.15, h, w * 0.93), (length - 0.2, h,
        w * 0.93),
                     (length - slope * 0.3, h * 0.85, w), (length, 1.0, w), (length - 0.02, base, w)])


def bus(rng: np.random.Generator, night: float) -> list[Solid]:
    """A city bus: long window bands, doors, a line number in front and at the back."""
    length, w, h = rng.uniform(10.5, 12.5), 1.27, rng.uniform(2.95, 3.15)
    profile = _box(length, w, h, slope=0.4)
    paint = _paint(rng, [(232, 186, 44)] if rng.random() < 0.6 else LIVERIES)  # most city buses are yellow here
    stripe = _paint(rng, LIVERIES)
    glass = (255, 240, 200) if night else GLASS
    d = [(1, np.array([(-0.86, 0.42), (0.86, 0.42), (0.86, 0.97), (-0.86, 0.97)]), glass, night > 0),
         (2, np.array([(-0.55, 0.1), (0.55, 0.1), (0.55, 0.8), (-0.55, 0.8)]), (20, 18, 14), False),
         (2, np.array([(-0.4, 0.25), (0.3, 0.25), (0.3, 0.65), (-0.4, 0.65)]), (255, 170, 40), True),
         (5, np.array([(-0.94, 0.0), (0.94, 0.0), (0.94, 0.97), (-0.94, 0.97)]), (60, 70, 78), False),
         (4, np.array([(-0.7, 0.12), (0.7, 0.12), (0.7, 0.85), (-0.7, 0.85)]), (20, 18, 14), False),
         (4, np.array([(-0.55, 0.3), (0.45, 0.3), (0.45, 0.7), (-0.55, 0.7)]), (255, 170, 40), True),
         ("side", np.array([(0.1, 0.45), (length - 0.1, 0.45), (length - 0.1, 0.95), (0.1, 0.95)]), stripe, False),
         ("side", np.array([(0.35, 1.3), (length - 0.2, 1.3), (length - 0.3, h * 0.82), (0.35, h * 0.82)]),
          (34, 38, 42), False)]
    for z in np.arange(0.45, length - 1.5, 1.45):
        d.append(("side", np.array([(z, 1.36), (z + 1.32, 1.36), (z + 1.32, h * 0.79), (z, h * 0.79)]), glass,
                  night > 0))
    for z in (length * 0.12, length * 0.5, length - 1.5):
        for k in (0, 0.62):
            d.append(("side", np.array([(z + k, 0.42), (z + k + 0.56, 0.42), (z + k + 0.56, 2.4), (z + k, 2.4)]),
                      (48, 56, 62), False))
    return [Solid(profile, paint, d + _lamps(0, 6, night, 0.3, 0.9), [(length * 0.26, 0.48), (length * 0.78,
        0.48)], [0], 2 * w)]


def truck(rng: np.random.Generator, night: float) -> list[Solid]:
    """A lorry: cab in front, cargo box, tarpaulin or tipper behind."""
    length, w, h = rng.uniform(5.0, 8.5), 1.25, rng.uniform(3.2, 3.9)
    paint = _paint(rng, LIVERIES + PAINTS[:3] * 5)  # most boxes are white or grey
    cab_paint = _paint(rng)
    total = length + 2.2
    open_top = rng.random() < 0.25
    cargo = np.array([(0.0, 0.75, w), (0.0, 1.0, w), (0.0, (2.2 if open_top else h), w),
                      (length, (2.2 if open_top else h), w), (length, 0.75, w)])
    dark = tuple(np.array(paint) * 0.7)
    d = [(1, np.array([(-0.02, 0.02), (0.02, 0.02), (0.02, 0.98), (-0.02, 0.98)]), dark, False),
         (1, np.array([(-0.45, 0.05), (-0.4, 0.05), (-0.4, 0.95), (-0.45, 0.95)]), dark, False),
         (1, np.array([(0.4, 0.05), (0.45, 0.05), (0.45, 0.95), (0.4, 0.95)]), dark, False),
         (0, np.array([(-1, 0.0), (1, 0.0), (1, 1.0), (-1, 1.0)]), (40, 40, 42), False),
         ("side", np.array([(0, 0.75), (length, 0.75), (length, 0.95), (0, 0.95)]), (46, 46, 48), False)]
    for z in np.arange(0.0, length, rng.uniform(0.5, 1.3)):
        d.append(("side", np.array([(z, 1.0), (z + 0.05, 1.0), (z + 0.05, h), (z, h)]), dark, False))
    if rng.random() < 0.6:
        mark = _paint(rng, LIVERIES)
        d.append(("side", np.array([(length * 0.2, h * 0.5), (length * 0.8, h * 0.5), (length * 0.8, h * 0.75),
                                    (length * 0.2, h * 0.75)]), mark, False))
    red = (255, 40, 30) if night else (170, 26, 24)
    for s in (-1, 1):
        d.append((0, np.array([(s * 0.95, 0.1), (s * 0.6, 0.1), (s * 0.6, 0.9), (s * 0.95, 0.9)]), red, night > 0))
    wheels = [(length * 0.2, 0.5), (length * 0.2 + 1.1, 0.5)] if length > 6 else [(length * 0.25, 0.48)]
    back = Solid(_stretch(cargo, total), paint, d, wheels, [], 2 * w)
    top = min(h, 2.9)
    cab = np.array([(length + 0.25, 0.5, w), (length + 0.25, top, w * 0.95), (total - 0.25, top, w * 0.95),
                    (total - 0.05, 1.55, w * 0.98), (total, 0.5, w)])
    white = (255, 250, 225) if night else (220, 222, 220)
    e = [(2, np.array([(-0.92, 0.05), (0.92, 0.05), (0.92, 0.95), (-0.92, 0.95)]), (60, 70, 78), False),
         (3, np.array([(-0.6, 0.15), (0.6, 0.15), (0.6, 0.6), (-0.6, 0.6)]), (40, 42, 44), False),
         (3, np.array([(-0.95, 0.6), (-0.66, 0.6), (-0.66, 0.85), (-0.95, 0.85)]), white, night > 0),
         (3, np.array([(0.66, 0.6), (0.95, 0.6), (0.95, 0.85), (0.66, 0.85)]), white, night > 0),
         ("side", np.array([(total - 1.3, 1.5), (total - 0.3, 1.5), (total - 0.5, top * 0.9),
                            (total - 1.3, top * 0.9)]), GLASS, False)]
    front = Solid(_stretch(cab, total), cab_paint, e, [(total - 0.9, 0.5)], [3], 2 * w)
    return [front, back]


def _stretch(profile: np.ndarray, total: float) -> np.ndarray:
    """Add a hidden point at the common length, because the solids of a vehicle share one origin."""
    return np.concatenate([profile, [(total, profile[-1, 1], 0.0)]]) if profile[:, 0].max() < total else profile


def tram(rng: np.random.Generator, night: float) -> list[Solid]:
    """A tram of one to three cars with a sloping nose at both ends; Cityscapes calls it train."""
    length, w, h = rng.uniform(15, 28), 1.22, 3.35
    profile = np.array([(0.3, 0.25, w * 0.86), (0.05, 0.95, w * 0.9), (0.55, 2.7, w * 0.92), (0.9, h, w * 0.86),
                        (length - 0.9, h, w * 0.86),
                        (length - 0.55, 2.7, w * 0.92), (length - 0.05, 0.95, w * 0.9), (length - 0.3, 0.25, w * 0.86)])
    paint, stripe = _paint(rng, LIVERIES), _paint(rng, LIVERIES)
    if rng.random() < 0.7:  # the most common livery: cream above, red below
        paint, stripe = _paint(rng, [(226, 214, 180)]), _paint(rng, [(184, 36, 36)])
    glass = (255, 242, 205) if night else GLASS
    d = []
    for edge, up in ((1, 1), (5, -1)):
        y0, y1 = (0.3, 0.97) if up > 0 else (0.03, 0.7)
        d.append((edge, np.array([(-0.9, y0), (0.9, y0), (0.84, y1), (-0.84, y1)]), (44, 52, 60), False))
    for edge in (2, 4):
        d.append((edge, np.array([(-0.6, 0.15), (0.6, 0.15), (0.6, 0.7), (-0.6, 0.7)]), (22, 20, 16), False))
        d.append((edge, np.array([(-0.3, 0.28), (0.4, 0.28), (0.4, 0.6), (-0.3, 0.6)]), (255, 180, 50), True))
    for edge in (0, 1, 5, 6):
        low = {1: (0.0, 0.25), 5: (0.75, 1.0)}.get(edge, (0.0, 1.0))
        d.append((edge, np.array([(-1, low[0]), (1, low[0]), (1, low[1]), (-1, low[1])]), stripe, False))
    for edge, colour in ((0, (180, 30, 26)), (6, (235, 235, 220))):
        for s in (-1, 1):
            d.append((edge, np.array([(s * 0.9, 0.4), (s * 0.6, 0.4), (s * 0.6, 0.75), (s * 0.9, 0.75)]), colour,
                      night > 0))
    d += [("side", np.array([(0.3, 0.3), (length - 0.3, 0.3), (length - 0.3, 1.15), (0.3, 1.15)]), stripe, False),
          ("side", np.array([(0.7, 1.25), (length - 0.7, 1.25), (length - 0.8, 2.6), (0.8, 2.6)]), (30, 34, 38), False)]
    for k, z in enumerate(np.arange(1.0, length - 2.2, 1.6)):
        if k % 4 == 2:
            for j in (0, 0.68):
                d.append(("side", np.array([(z + j, 0.4), (z + j + 0.62, 0.4), (z + j + 0.62, 2.65), (z + j, 2.65)]),
                          (60, 68, 74), False))
        else:
            d.append(("side", np.array([(z, 1.32), (z + 1.45, 1.32), (z + 1.45, 2.5), (z, 2.5)]), glass, night > 0))
    for z in np.linspace(0, length, int(length // 9) + 1)[1:-1]:
        d.append(("side", np.array([(z - 0.3, 0.3), (z + 0.3, 0.3), (z + 0.3, h), (z - 0.3, h)]), (30, 30, 32), False))
    return [Solid(profile, paint, d, [], [], 2 * w)]


def caravan(rng: np.random.Generator, night: float) -> list[Solid]:
    length, w, h = rng.uniform(4.2, 5.5), 1.1, 2.5
    d = [(1, np.array([(-0.6, 0.3), (0.6, 0.3), (0.6, 0.75), (-0.6, 0.75)]), GLASS, False),
         ("side", np.array([(0.8, 1.3), (1.9, 1.3), (1.9, 1.9), (0.8, 1.9)]), GLASS, False)]
    return [Solid(_box(length, w, h), (226, 222, 210), d + _lamps(0, 6, night), [(length * 0.45, 0.33)], [0],
                  2 * w)]
