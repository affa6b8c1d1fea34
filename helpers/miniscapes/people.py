"""Pedestrians, riders, bicycles and motorcycles, drawn from limbs and wheels in metres."""

from __future__ import annotations

import numpy as np

from helpers.miniscapes.sprites import Part, disc, limb, mirrored, rect

CLOTHES = [(30, 32, 38), (52, 60, 84), (150, 30, 34), (200, 196, 188), (60, 90, 60), (120, 100, 76), (196, 150, 60),
           (80, 80, 84), (40, 90, 140), (170, 90, 120), (225, 222, 218), (220, 110, 50), (96, 60, 110), (70, 130, 130)]
SKIN = [(232, 190, 160), (214, 164, 128), (170, 118, 86), (110, 76, 56)]
HAIR = [(40, 30, 24), (90, 62, 40), (170, 130, 80), (120, 116, 112), (20, 18, 18)]


def _pick(rng, colours, spread=12):
    return tuple(np.clip(np.array(colours[rng.integers(len(colours))]) + rng.normal(0, spread, 3), 6, 250))


def _head(rng, x, y, r, helmet=False) -> list[Part]:
    skin, hair = _pick(rng, SKIN, 6), _pick(rng, HAIR, 6)
    neck = Part(limb(x * 0.7, y - r * 1.9, x, y, r * 0.9), skin)
    if helmet:
        return [neck, Part(disc(x, y, r * 0.85, r), skin), Part(disc(x, y + r * 0.35, r * 1.12, r * 0.85),
                                                                _pick(rng, CLOTHES, 20))]
    return [neck, Part(disc(x, y, r * 0.82, r), skin), Part(disc(x - 0.02, y + r * 0.42, r * 0.86, r * 0.68), hair)]


def walker(rng: np.random.Generator, rain: bool = False) -> list[Part]:
    """A person on foot, seen from the front, the back or the side; about one in eight is a child."""
    h = rng.uniform(1.05, 1.35) if rng.random() < 0.12 else rng.uniform(1.58, 1.9)
    coat, trousers, shoes = _pick(rng, CLOTHES), _pick(rng, CLOTHES), _pick(rng, CLOTHES[:4], 5)
    side = rng.random() < 0.5
    stride = rng.uniform(0.08, 0.34) if side else rng.uniform(0.02, 0.1)
    hip, shoulder, girth = h * 0.5, h * 0.82, h * (0.13 if side else 0.15)
    parts = []
    for sign, tone in ((-1, 0.8), (1, 1.0)):
        knee = sign * stride * 0.45 + (0.04 if side else sign * 0.07)
        end = sign * stride + (0 if side else sign * 0.08)
        leg = tuple(np.array(trousers) * tone)
        parts += [Part(limb(sign * (0.02 if side else 0.08), hip + 0.05, knee, hip * 0.52, 0.19, 0.15), leg),
                  Part(limb(knee, hip * 0.55, end - (0.06 if side else 0), 0.07, 0.15, 0.11), leg),
                  Part(rect(end - 0.08, 0.0, end + (0.2 if side else 0.07), 0.09), shoes)]
    hem = hip - rng.choice([0.02, 0.02, 0.15, 0.32])
    torso = np.array([(-girth, hem), (girth, hem), (girth * 1.12, shoulder - 0.06), (girth * 0.6, shoulder + 0.04),
                      (-girth * 0.6, shoulder + 0.04), (-girth * 1.12, shoulder - 0.06)])
    parts.append(Part(torso, coat))
    sleeve = tuple(np.array(coat) * 0.82)
    for sign in (-1, 1):
        swing = sign * stride * 0.8 if side else sign * (girth + 0.07)
        elbow = swing * 0.6 if side else sign * (girth + 0.06)
        top = sign * (0.02 if side else girth * 1.0)
        parts += [Part(limb(top, shoulder - 0.06, elbow, h * 0.62, 0.12, 0.1), sleeve),
                  Part(limb(elbow, h * 0.63, swing, h * 0.47, 0.1, 0.07), sleeve),
                  Part(disc(swing, h * 0.455, 0.045, n=8), _pick(rng, SKIN, 4))]
    if rng.random() < 0.3:
        bag = _pick(rng, CLOTHES)
        x = -girth * 1.2 if side else rng.choice([-1, 1]) * (girth + 0.1)
        low = h * (0.56 if side else 0.34)
        parts.append(Part(rect(x - 0.13, low, x + 0.13, low + (0.42 if side else 0.26)), bag))
    parts += _head(rng, 0.01, h - 0.115, 0.115)
    if rain and rng.random() < 0.6:
        top = h + 0.12
        dome = np.array([(-0.52, top - 0.14), (-0.36, top + 0.08), (0, top + 0.18), (0.36, top + 0.08),
                         (0.52, top - 0.14)])
        parts += [Part(limb(0.12, h * 0.62, 0.05, top, 0.03), (40, 40, 40)), Part(dome, _pick(rng, CLOTHES, 20))]
    return mirrored(parts) if rng.random() < 0.5 else parts


def _wheel(x, r, tyre, squash=1.0) -> list[Part]:
    rim = [Part(disc(x, r, r * squash, r, 20), (22, 22, 24)), Part(disc(x, r, (r - tyre) * squash, r - tyre, 18), None)]
    for a in np.linspace(0, np.pi, 5, endpoint=False):
        dx, dy = np.cos(a) * (r - tyre) * squash, np.sin(a) * (r - tyre)
        rim.append(Part(limb(x - dx, r - dy, x + dx, r + dy, 0.016), (130, 130, 132)))
    return rim


def bicycle(rng: np.random.Generator, view: str) -> list[Part]:
    """A bicycle, from the side or from the end."""
    frame = _pick(rng, CLOTHES + [(200, 40, 40), (60, 160, 80), (230, 230, 230)], 15)
    r = 0.34
    if view == "end":
        lamp = (200, 30, 26)
        return [Part(limb(0, 0.02, 0, 2 * r, 0.085, 0.085), (24, 24, 26)), Part(rect(-0.07, 0.6, 0.07, 0.72), frame),
                Part(rect(-0.05, 0.62, 0.05, 0.69), lamp), Part(limb(0, 0.6, 0, 0.95, 0.06), frame),
                Part(limb(-0.3, 1.02, 0.3, 1.02, 0.05), (40, 40, 42)), Part(limb(-0.13, 0.92, 0.13, 0.92, 0.1),
                    (30, 28, 26)),
                Part(limb(-0.18, 0.3, 0.18, 0.26, 0.05), (60, 60, 62))]
    body = _wheel(-0.52, r, 0.055) + _wheel(0.52, r, 0.055)
    seat, head, crank = (-0.2, 0.86), (0.36, 0.92), (-0.06, 0.32)
    gap = Part(np.array([seat, head, (0.5, 0.4), crank, (-0.5, 0.36)]), None)
    tubes = [(seat, crank), (head, crank), (seat, (0.32, 0.84)), (crank, (-0.52, r)), (seat, (-0.52, r)),
             (head, (0.52, r))]
    parts = [gap, *body, *[Part(limb(*a, *b, 0.05), frame) for a, b in tubes]]
    parts += [Part(limb(-0.32, 0.95, -0.1, 0.95, 0.08), (30, 28, 26)), Part(limb(0.36, 0.9, 0.33, 1.06, 0.045), frame),
              Part(limb(0.33, 1.06, 0.48, 1.05, 0.045), (40, 40, 42)), Part(disc(crank[0], crank[1], 0.1, n=10),
                  (90, 90, 92)),
              Part(limb(-0.86, r * 1.7, -0.35, r * 2.1, 0.05), (50, 50, 52))]
    if rng.random() < 0.3:
        parts.append(Part(rect(0.4, 0.78, 0.72, 1.0), (140, 110, 80)))
    return parts


def motorcycle(rng: np.random.Generator, view: str, night: float = 0.0) -> list[Part]:
    """A motorcycle or scooter, from the side, behind or in front."""
    paint = _pick(rng, [(160, 30, 30), (30, 30, 34), (40, 70, 130), (200, 200, 204), (210, 130, 40), (60, 100, 70)], 12)
    dark, chrome = (28, 28, 30), (150, 152, 156)
    if view in ("rear", "front"):
        lamp = ((255, 40, 30), (170, 26, 24))[night == 0] if view == "rear" else ((255, 250, 225),
            (228, 230, 226))[night == 0]
        return [Part(limb(0, 0.04, 0, 0.62, 0.19, 0.19), dark), Part(rect(-0.24, 0.38, -0.1, 0.56), chrome),
                Part(np.array([(-0.2, 0.5), (0.2, 0.5), (0.27, 0.86), (0.14, 1.0), (-0.14, 1.0), (-0.27, 0.86)]),
                     paint),
                Part(disc(0, 0.8, 0.12, 0.085), lamp, night > 0), Part(rect(-0.11, 0.52, 0.11, 0.66), (225, 225, 215)),
                Part(limb(-0.4, 1.06, 0.4, 1.06, 0.06), dark), Part(disc(-0.44, 1.2, 0.09, 0.06), dark),
                Part(disc(0.44, 1.2, 0.09, 0.06), dark), Part(limb(-0.42, 1.18, -0.32, 1.05, 0.03), dark),
                Part(limb(0.42, 1.18, 0.32, 1.05, 0.03), dark)]
    r = 0.32
    parts = []
    for x in (-0.7, 0.7):
        parts += [Part(disc(x, r, r, n=20), dark), Part(disc(x, r, r * 0.62, n=16), chrome),
                  Part(disc(x, r, r * 0.3, n=10), dark)]
    parts += [Part(np.array([(-0.66, 0.3), (-0.3, 0.24), (0.35, 0.26), (0.5, 0.62), (0.2, 0.8), (-0.6, 0.62)]),
                   (66, 68, 72)),
              Part(disc(-0.02, 0.42, 0.2, 0.17), chrome),
              Part(np.array([(-0.98, 0.82), (-0.5, 0.66), (0.3, 0.62), (0.56, 0.8), (0.42, 1.02), (0.05, 0.98),
                             (-0.2, 0.84), (-0.9, 0.92)]), paint),
              Part(np.array([(-0.86, 0.9), (-0.15, 0.8), (0.02, 0.92), (-0.3, 0.96), (-0.84, 0.98)]), dark),
              Part(limb(0.7, r, 0.42, 1.05, 0.08), chrome), Part(limb(0.44, 1.0, 0.28, 1.14, 0.06), dark),
              Part(disc(0.58, 0.92, 0.11), (228, 230, 226), night > 0), Part(limb(-0.95, 0.36, -0.1, 0.34, 0.09),
                  chrome),
              Part(np.array([(0.46, 1.0), (0.6, 1.02), (0.48, 1.32), (0.42, 1.3)]), (120, 134, 144))]
    return parts


def rider(rng: np.random.Generator, view: str, motor: bool) -> list[Part]:
    """The person on a two-wheeler, in the coordinates of the vehicle."""
    coat = (214, 226, 60) if rng.random() < 0.6 else _pick(rng, CLOTHES)  # many wear high-visibility vests
    trousers = _pick(rng, CLOTHES[:4])
    helmet = motor or rng.random() < 0.8
    seat = 0.85 if motor else 0.95
    sleeve, far = tuple(np.array(coat) * 0.82), tuple(np.array(trousers) * 0.75)
    if view in ("rear", "front", "end"):
        wide = 0.22 if motor else 0.19
        parts = []
        for sign, foot_y in ((-1, 0.22), (1, 0.42 if not motor else 0.28)):
            knee = sign * (0.27 if motor else 0.17)
            parts += [Part(limb(sign * 0.1, seat, knee, foot_y + 0.36, 0.18, 0.15), trousers),
                      Part(limb(knee, foot_y + 0.38, sign * (0.24 if motor else 0.14), foot_y, 0.14, 0.1), far),
                      Part(limb(sign * 0.14 - 0.04, foot_y - 0.02, sign * 0.14 + 0.08, foot_y - 0.02, 0.1),
                           (30, 30, 32))]
        torso = np.array([(-wide * 0.8, seat - 0.08), (wide * 0.8, seat - 0.08), (wide * 1.1, seat + 0.5),
                          (wide * 0.5, seat + 0.62),
                          (-wide * 0.5, seat + 0.62), (-wide * 1.1, seat + 0.5)])
        parts.append(Part(torso, coat))
        for sign in (-1, 1):
            parts += [Part(limb(sign * wide, seat + 0.5, sign * (wide + 0.14), seat + 0.25, 0.12, 0.1), sleeve),
                      Part(limb(sign * (wide + 0.14), seat + 0.27, sign * 0.3, seat + 0.12, 0.1, 0.08), sleeve)]
        return parts + _head(rng, 0, seat + 0.77, 0.135 if helmet else 0.115, helmet)
    hip = (-0.25, seat)
    shoulder = (0.12, seat + 0.52) if motor else (0.08, seat + 0.54)
    hand = (0.3, 1.14) if motor else (0.36, 1.06)
    feet = ((0.05, 0.36), (-0.02, 0.4)) if motor else ((-0.02, 0.2), (-0.1, 0.46))
    parts = []
    for k, (fx, fy) in enumerate(feet):
        knee = (0.22 - 0.06 * k, (seat + fy) / 2 + 0.16)
        tone = trousers if k else far
        parts += [Part(limb(*hip, *knee, 0.19, 0.15), tone), Part(limb(*knee, fx, fy, 0.14, 0.1), tone),
                  Part(limb(fx - 0.06, fy - 0.05, fx + 0.14, fy - 0.05, 0.09), (30, 30, 32))]
    parts += [Part(limb(*hip, *shoulder, 0.3, 0.27), coat), Part(limb(*shoulder, (shoulder[0] + hand[0]) / 2,
                                                                      hand[1] + 0.02, 0.12, 0.1), sleeve),
              Part(limb((shoulder[0] + hand[0]) / 2, hand[1] + 0.02, *hand, 0.1, 0.07), sleeve)]
    return parts + _head(rng, shoulder[0] + 0.07, shoulder[1] + 0.26, 0.14 if helmet else 0.115, helmet)
