"""Street furniture along the kerb: lamp posts, trees, bollards, clutter, signs and traffic lights."""

from __future__ import annotations

from helpers.miniscapes.furniture import bollard, clutter, lamp_post, plain_pole, sign, signal_head, tree
from helpers.miniscapes.scene import Scene
from helpers.miniscapes.sprites import Part, limb


def furnish(s: Scene) -> None:
    """Add lamp posts, signs, traffic lights, bollards, kerbside trees and clutter."""
    rng, r = s.rng, s.road
    treed = {"downtown": 0.45, "suburb": 0.6, "arterial": 0.7, "park": 0.9}[s.frame.street]
    for side in (-1, 1):
        kerb = r.edge(side) + side * 0.45
        z, step = rng.uniform(9, 24), rng.uniform(20, 32)
        while z < 110:
            if s.free(kerb, z, 0.2, 0.2) and not (r.junction and r.junction[0] - 1 < z < r.junction[1] + 1):
                if rng.random() < 0.8:
                    s.figure("pole", lamp_post(rng, -side), kerb, z, 0.12, 6, rough=0.03)
                    s.lamp(kerb - side * 1.6, 7.5, z, 0.9, (255, 214, 150), 0.8)
                else:
                    s.figure("pole", plain_pole(rng), kerb, z, 0.12, 5, rough=0.03)
            z += step * rng.uniform(0.8, 1.2)
        if rng.random() < treed:
            z, step = rng.uniform(10, 22), rng.uniform(8, 14)
            offset = r.edge(side) + side * (r.verge[side > 0] * 0.5 if r.verge[side > 0] else rng.uniform(0.9, 1.3))
            tall = rng.uniform(6, 11)
            while z < 120:
                crossing = r.junction and r.junction[0] - 3 < z < r.junction[1] + 2
                if not crossing and s.free(offset, z, 0.4, 0.4):
                    thing = tree(rng, s.frame.city.season, offset, z, s.camera, s.light, tall * rng.uniform(0.85, 1.15))
                    if thing:
                        s.street.append(thing)
                        s.cast(offset, z, 1.2, 1.2, tall * 0.7)
                z += step * rng.uniform(0.8, 1.2)
        if rng.random() < 0.25:
            z = rng.uniform(7, 10)
            for _ in range(int(rng.integers(3, 9))):
                if s.free(kerb - side * 0.15, z, 0.1, 0.1):
                    s.figure("pole", bollard(rng), kerb - side * 0.15, z, 0.1, 0.9, rough=0)
                z += 1.8
        if rng.random() < 0.35:
            x, z = r.front(side) - side * 0.7, rng.uniform(8, 26)
            if s.free(x, z, 0.6, 0.4):
                s.figure("static", clutter(rng), x, z, 0.4, 1.0)
    if s.wants("traffic sign"):
        for _ in range(int(rng.integers(2, 6))):
            side = int(rng.choice([-1, 1], p=[0.35, 0.65]))
            x = r.edge(side) + side * rng.uniform(0.35, 0.8)
            _sign_post(s, x, s.entry(x) + float(rng.triangular(0, 5, 40)))
    if s.wants("traffic light"):
        _signals(s)


def _sign_post(s: Scene, x: float, z: float) -> None:
    rng = s.rng
    if not s.free(x, z, 0.25, 0.25):
        return
    top = rng.uniform(2.3, 2.9)
    group = rng.random() < 0.06
    s.figure("polegroup" if group else "pole", [Part(limb(0, 0, 0, top + 0.35, 0.1 if not group else 0.24),
                                                     (120, 122, 122))], x, z, 0.08, 2, rough=0.02)
    s.figure("traffic sign", sign(rng, top), x, z, 0, nudge=0.02, ground=0.12, rough=0.02, shade=(1.04, 0.96))
    if rng.random() < 0.35:
        s.figure("traffic sign", sign(rng, top - 0.85), x, z, 0, nudge=0.02, ground=0.12, rough=0.02,
                 shade=(1.04, 0.96))


def _signals(s: Scene) -> None:
    """Add traffic lights at the corners of the junction, sometimes with one on an arm above the road."""
    rng, r = s.rng, s.road
    z = r.junction[0] - 0.6 if r.junction else float(rng.uniform(14, 30))
    for side in (-1, 1):
        x = r.edge(side) + side * 0.5
        arm = side > 0 and rng.random() < 0.5
        height = 5.6 if arm else 3.3
        post = [Part(limb(0, 0, 0, height, 0.16, 0.13), (84, 90, 90))]
        reach = min(4.5, r.right * 0.8)
        if arm:
            post.append(Part(limb(0, height - 0.1, -reach, height - 0.05, 0.13, 0.1), (84, 90, 90)))
        s.figure("pole", post, x, z, 0.1, 3, rough=0.02)
        s.figure("traffic light", signal_head(rng, 2.75), x, z, 0, nudge=0.03, ground=0.12, rough=0)
        if arm:
            s.figure("traffic light", signal_head(rng, height - 0.15), x - reach, z, 0, nudge=0.03, ground=0.12,
                     rough=0)
        if r.junction and rng.random() < 0.5:
            far = r.junction[1] + 1.0
            s.figure("pole", [Part(limb(0, 0, 0, 3.3, 0.14), (84, 90, 90))], x, far, 0.1, 3, rough=0.02)
            s.figure("traffic light", signal_head(rng, 2.75), x, far, 0, nudge=0.03, ground=0.12, rough=0)
