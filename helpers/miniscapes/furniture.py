"""Trees, lamps, poles, signs, traffic lights and street clutter, in metres."""

from __future__ import annotations

import cv2
import numpy as np

from helpers.miniscapes.camera import Camera
from helpers.miniscapes.canvas import Thing
from helpers.miniscapes.light import Light
from helpers.miniscapes.solids import outline
from helpers.miniscapes.sprites import Part, disc, foot, limb, rect
from helpers.miniscapes.textures import fill, patch

LEAVES = {"summer": [(66, 92, 44), (54, 80, 40), (84, 104, 52), (72, 92, 60), (98, 112, 60)],
          "autumn": [(150, 104, 44), (128, 76, 36), (162, 132, 52), (110, 96, 44), (84, 88, 44)],
          "winter": [(88, 80, 62), (70, 78, 54), (62, 76, 50), (92, 90, 66), (52, 68, 46)]}
RING = np.stack([np.cos(np.arange(22) * np.pi / 11), np.sin(np.arange(22) * np.pi / 11)], 1)
GREY = [(92, 96, 98), (128, 130, 130), (62, 66, 66), (70, 84, 76), (150, 152, 150)]


def foliage(layer: np.ndarray, rng: np.random.Generator, colour, light: Light, z: float, grain: float) -> None:
    """Fill a layer with foliage: clumps lit from above, and fine grain. grain: pixels per clump."""
    h, w = layer.shape[:2]
    clump = patch(rng, (h, w), 5, int(np.clip(2 ** round(np.log2(max(grain, 2))), 4, 128)), 4)
    tone = np.clip(clump, -1.1, 1.1) * np.float32(0.27) + patch(rng, (h, w), 6, 3) * np.float32(0.14)
    tone += np.linspace(1.18, 0.76, h, dtype=np.float32)[:, None]
    np.maximum(tone, 0.2, out=tone)
    clear = float(np.exp(-light.haze_per_m * z))
    base = np.asarray(colour, float) * light.gain((0, 0.6, -0.5)) * clear
    veil = light.haze * (1 - clear)
    layer[:] = cv2.merge([cv2.convertScaleAbs(tone, alpha=base[c], beta=veil[c]) for c in range(3)])


def tree(rng: np.random.Generator, season: str, x: float, z: float, camera: Camera, light: Light,
         tall: float) -> Thing | None:
    """Create a tree as one vegetation polygon without holes, as the labelling policy requires."""
    crown = tall * rng.uniform(0.3, 0.42)
    clear = tall * rng.uniform(0.28, 0.4)
    trunk_w = tall * 0.032
    count = int(rng.integers(7, 12))
    turn, out, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count)) * 0.62, rng.uniform(0.3,
        0.55, count)
    wobble = crown * radius[:, None] * (1 + 0.1 * rng.standard_normal((count, len(RING))))
    x_m = (np.cos(turn) * out * crown)[:, None] + wobble * RING[:, 0]
    y_m = ((clear + tall) / 2 + np.sin(turn) * out * (tall - clear) * 0.5)[:, None] + wobble * RING[:, 1] * 0.9
    bar = limb(0, 0, rng.uniform(-0.2, 0.2), clear + tall * 0.2, trunk_w * 1.5, trunk_w)

    def seen_from(eye: Camera):
        u, v, s = foot(eye, x, z)
        trunk = np.stack([u + s * bar[:, 0], v - s * bar[:, 1]], 1)
        return outline([trunk, *np.stack([u + s * x_m, v - s * y_m], -1)]), trunk, s

    polygon, trunk, s = seen_from(camera.start)
    if polygon is None:
        return None
    colour = np.array(LEAVES[season][rng.integers(5)]) * rng.uniform(0.75, 1.2) + rng.normal(0, 5, 3)
    bark = np.array((78, 66, 54)) * rng.uniform(0.6, 1.2)
    seed = int(rng.integers(2**31))
    sparse = season == "winter" and rng.random() < 0.6
    if camera.travel_m:  # only now, so that all random numbers are those of the start
        polygon, trunk, s = seen_from(camera) if z > camera.near_m else (None, trunk, s)
        if polygon is None:
            return None

    def brush(layer, to_layer):
        own = np.random.default_rng(seed)
        behind = layer.copy()
        grain = s * crown * 0.35 * np.linalg.norm(np.diff(to_layer(np.array([[0, 0], [1, 0]])), axis=0))
        foliage(layer, own, colour, light, z, grain)
        if sparse:  # sky between the twigs, which the label covers too
            gaps = patch(own, layer.shape[:2], 7, 8, 3) > 1.2
            layer[gaps] = behind[gaps]
        fill(layer, to_layer(trunk), light.shade(bark, z=z))

    return Thing("vegetation", polygon, brush, z)


def lamp_post(rng: np.random.Generator, side: float) -> list[Part]:
    """A street lamp; side: direction of its arm, -1 or 1."""
    h, w, colour = rng.uniform(6, 9), rng.uniform(0.13, 0.19), GREY[rng.integers(5)]
    parts = [Part(limb(0, 0, 0, h, w * 1.25, w * 0.8), colour), Part(rect(-w * 0.9, 0, w * 0.9, 0.9), colour)]
    if rng.random() < 0.7:
        parts += [Part(limb(0, h, side * 1.5, h + 0.25, w * 0.8), colour), Part(limb(side * 1.2, h + 0.22, side * 2.1,
            h + 0.27, 0.18), (215, 214, 200))]
    else:
        parts += [Part(disc(0, h + 0.15, 0.28, 0.32), (225, 222, 205))]
    return parts


def plain_pole(rng: np.random.Generator) -> list[Part]:
    h, w = rng.uniform(4.5, 8), rng.uniform(0.14, 0.22)
    return [Part(limb(0, 0, 0, h, w, w * 0.8), GREY[rng.integers(5)])]


def bollard(rng: np.random.Generator) -> list[Part]:
    return [Part(rect(-0.07, 0, 0.07, 0.95), GREY[rng.integers(5)]), Part(rect(-0.07, 0.7, 0.07, 0.82),
        (220, 220, 214))]


def sign(rng: np.random.Generator, y: float) -> list[Part]:
    """The face of a traffic sign around height y."""
    kind = rng.choice(["ring", "triangle", "blue", "square", "diamond", "stop", "board", "arrow", "back"],
                      p=[0.2, 0.14, 0.14, 0.12, 0.1, 0.05, 0.12, 0.08, 0.05])
    white, red, blue, yellow, black = (238, 238, 234), (196, 26, 34), (26, 76, 160), (244, 196, 30), (20, 20, 22)
    r = rng.uniform(0.33, 0.42)
    if kind == "ring":
        return [Part(disc(0, y, r, n=20), red), Part(disc(0, y, r * 0.74, n=18), white),
                Part(rect(-r * 0.35, y - r * 0.12, r * 0.35, y + r * 0.12), black)]
    if kind == "triangle":
        up = rng.choice([-1, 1])
        return [Part(disc(0, y, r * 1.15, n=3, start=up * np.pi / 2), red), Part(disc(0, y, r * 0.72, n=3,
            start=up * np.pi / 2), white)]
    if kind == "blue":
        return [Part(disc(0, y, r, n=20), blue), Part(limb(0, y - r * 0.6, 0, y + r * 0.5, 0.12), white),
                Part(disc(0, y + r * 0.4, r * 0.32, n=3, start=np.pi / 2), white)]
    if kind == "square":
        return [Part(rect(-r, y - r, r, y + r), blue), Part(rect(-r * 0.5, y - r * 0.7, r * 0.5, y + r * 0.7), white)]
    if kind == "diamond":
        return [Part(disc(0, y, r * 1.25, n=4), white), Part(disc(0, y, r * 1.0, n=4), yellow)]
    if kind == "stop":
        return [Part(disc(0, y, r * 1.1, n=8, start=np.pi / 8), red), Part(rect(-r * 0.7, y - 0.08, r * 0.7,
            y + 0.08), white)]
    if kind == "board":
        w, h = rng.uniform(0.5, 1.1), rng.uniform(0.3, 0.75)
        face, ink = ((yellow, black), (blue, white), (white, black))[rng.integers(3)]
        lines = [Part(rect(-w * 0.8, y + h * (t - 0.12), w * rng.uniform(0.1, 0.8), y + h * (t + 0.12)),
                      ink) for t in (-0.45, 0.05, 0.55)]
        return [Part(rect(-w, y - h, w, y + h), ink), Part(rect(-w * 0.95, y - h * 0.92, w * 0.95, y + h * 0.92),
                                                           face), *lines]
    if kind == "arrow":
        return [Part(disc(0, y, r, n=20), blue), Part(limb(-r * 0.5, y, r * 0.5, y, 0.13), white),
                Part(disc(r * 0.35, y, r * 0.35, n=3), white)]
    return [Part(disc(0, y, r, n=20), (120, 124, 126)), Part(rect(-r * 0.8, y - 0.03, r * 0.8, y + 0.03), (90, 92, 94))]


def signal_head(rng: np.random.Generator, y: float, small: bool = False) -> list[Part]:
    """A traffic light: dark housing, three lenses, one or two lit."""
    k = 0.75 if small else 1.0
    state = int(rng.integers(3))
    parts = [Part(rect(-0.19 * k, y - 0.5 * k, 0.19 * k, y + 0.5 * k), (26, 28, 28))]
    for i, colour in enumerate(((255, 50, 36), (255, 190, 50), (60, 235, 140))):
        on = i == state
        parts.append(Part(disc(0, y + (0.32 - 0.32 * i) * k, 0.125 * k, n=14),
                          colour if on else tuple(v * 0.22 for v in colour), on))
    return parts


def clutter(rng: np.random.Generator) -> list[Part]:
    """Objects of class static: bins, boxes, benches, advertising pillars."""
    kind, c = rng.integers(4), np.array([(70, 80, 76), (190, 150, 40), (140, 40, 40), (96, 98, 100)][rng.integers(4)])
    if kind == 0:
        return [Part(rect(-0.25, 0, 0.25, 0.95), tuple(c)), Part(rect(-0.28, 0.85, 0.28, 1.0), tuple(c * 0.6))]
    if kind == 1:
        return [Part(rect(-0.45, 0, 0.45, 1.3), tuple(c)), Part(rect(-0.4, 0.7, 0.4, 1.2), tuple(c * 0.75))]
    if kind == 2:
        return [Part(rect(-0.8, 0.35, 0.8, 0.47), (120, 88, 58)), Part(rect(-0.8, 0.6, 0.8, 0.85), (110, 80, 52)),
                Part(rect(-0.7, 0, -0.6, 0.5), (40, 40, 42)), Part(rect(0.6, 0, 0.7, 0.5), (40, 40, 42))]
    return [Part(rect(-0.6, 0, 0.6, 2.7), (150, 150, 146)), Part(rect(-0.52, 0.5, 0.52, 2.4), tuple(c * 1.2)),
            Part(rect(-0.66, 2.6, 0.66, 2.85), (70, 72, 70))]


def moving_clutter(rng: np.random.Generator) -> list[Part]:
    """Objects of class dynamic: prams, wheeled bins, a dog."""
    kind = rng.integers(3)
    if kind == 0:
        return [Part(disc(-0.25, 0.12, 0.12), (30, 30, 30)), Part(disc(0.25, 0.12, 0.12), (30, 30, 30)),
                Part(disc(0, 0.6, 0.4, 0.3), (60, 70, 100)),
                Part(limb(0.35, 0.6, 0.65, 1.0, 0.05), (40, 40, 40))]
    if kind == 1:
        return [Part(rect(-0.28, 0.05, 0.28, 1.0), (52, 60, 56)), Part(rect(-0.31, 0.95, 0.31, 1.08), (150, 120, 40)),
                Part(disc(-0.2, 0.08, 0.09), (20, 20, 20))]
    return [Part(disc(0, 0.42, 0.35, 0.14), (110, 80, 50)), Part(limb(-0.22, 0.4, -0.25, 0, 0.07), (96, 70, 44)),
            Part(limb(0.22, 0.4, 0.25, 0, 0.07), (96, 70, 44)),
            Part(disc(0.38, 0.56, 0.12), (110, 80, 50))]
