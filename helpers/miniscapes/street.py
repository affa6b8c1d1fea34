"""Static parts of a street: surfaces, road markings, both sides, and the view at its end."""

from __future__ import annotations

import numpy as np

from helpers.miniscapes.canvas import Thing
from helpers.miniscapes.facades import front, make_house
from helpers.miniscapes.frontage import fence, guard_rail, hedge, house, upright, wall
from helpers.miniscapes.furniture import LEAVES, tree
from helpers.miniscapes.ground import sky_brush, streak
from helpers.miniscapes.scene import FAR_M, Scene, Surface
from helpers.miniscapes.textures import stretch


def lay_ground(s: Scene) -> None:
    """Add sky, open ground, sidewalks, road, parking strips, rails and road markings."""
    c, r, rng = s.camera, s.road, s.rng
    full = np.array([(0, 0), (2048, 0), (2048, c.horizon_px + 10), (0, c.horizon_px + 10)], float)
    s.backdrop.append(Thing("sky", full, sky_brush(s.light, c, s.seed()), 1e4))
    asphalt = np.array((92, 93, 97)) * rng.uniform(0.72, 1.12) + rng.normal(0, 2.5, 3)
    paving = np.array([(172, 164, 152), (166, 150, 138), (184, 172, 152), (170, 146, 132)][rng.integers(4)])
    paving = paving * rng.uniform(0.85, 1.08)
    grass = np.array([(96, 116, 56), (112, 122, 62), (124, 128, 70)][rng.integers(3)]) * rng.uniform(0.85, 1.12)
    earth = "terrain" if s.wants("terrain") else "ground"
    wide = c.strip(-90, 90, 2.5, 400)
    s.surfaces.append(Surface(earth, wide, "grass" if earth == "terrain" else "concrete",
                              tuple(grass if earth == "terrain" else paving * 0.9)))
    slabs = str(rng.choice(["paving", "cobbles", "paving", "concrete"]))
    for side, walk in ((-1, r.walk_left), (1, r.walk_right)):
        edge, verge = r.edge(side), r.verge[side > 0]
        at_kerb = verge > 0 and (rng.random() < 0.5 or s.frame.street == "downtown")
        inner = edge + side * (verge if at_kerb else 0)
        x0, x1 = sorted((inner, inner + side * walk))
        s.surfaces.append(Surface("sidewalk", c.strip(x0, x1, 2.5, FAR_M), slabs, tuple(paving)))
        if not at_kerb and verge == 0 and s.frame.street == "downtown":
            s.surfaces.append(Surface("sidewalk",
                                      c.strip(*sorted((x1 if side > 0 else x0,
                                                       (x1 if side > 0 else x0) + side * 2.5)), 2.5, FAR_M), slabs,
                                                       tuple(paving * 0.97)))
    s.surfaces.append(Surface("road", c.strip(r.left, r.right, 2.5, 400), "asphalt", tuple(asphalt)))
    if r.junction:
        z0, z1 = r.junction
        cross = np.array([(-70, 0, z0), (70, 0, z0), (70, 0, z1), (-70, 0, z1)], float)
        s.surfaces.append(Surface("road", c.project(cross), "asphalt", tuple(asphalt)))
    for side in (-1, 1):
        if r.parking[side > 0] and rng.random() < 0.45:
            edge = r.edge(side)
            x0, x1 = sorted((edge, edge - side * 2.2))
            end = r.junction[0] - 6 if r.junction else FAR_M
            if end > 6:
                s.surfaces.append(Surface("parking", c.strip(x0, x1, 2.5, end), "cobbles",
                                          tuple(asphalt * 0.9 + paving * 0.12)))
    if r.rails is not None:
        s.surfaces.append(Surface("rail track", c.strip(r.rails - 1.25, r.rails + 1.25, 2.5, FAR_M), "concrete",
                                  tuple(asphalt * 1.12 + 6)))
    _paint_road(s, asphalt)


def _paint_road(s: Scene, asphalt: np.ndarray) -> None:
    c, r, rng = s.camera, s.road, s.rng
    white = np.clip(np.array((222, 222, 216)) * s.light.gain((0, 1, 0)) * (0.85 + 0.15 * (1 - s.light.night)), 0, 250)
    wear = float(rng.uniform(0.05, 0.4))

    def line(x0, x1, z0, z1, colour=white, worn=wear):
        while z1 > z0 >= 2.4:  # in pieces, because a long thin strip has a large bounding box
            end = min(z1, z0 * 1.5) if z0 * 1.7 < z1 else z1
            s.marks.append(streak(c.strip(x0, x1, z0, end), s.light.through_air(colour, (z0 * end) ** 0.5), worn,
                                  s.seed()))
            z0 = end if end < z1 else np.inf

    kerb = np.clip(np.array((176, 174, 168)) * s.light.gain((0, 1, 0)), 0, 250)
    cuts = [(2.5, s.road.junction[0]), (s.road.junction[1], FAR_M)] if r.junction else [(2.5, FAR_M)]
    for z0, z1 in cuts:
        for side in (-1, 1):
            x0, x1 = sorted((r.edge(side) + side * 0.02, r.edge(side) + side * 0.2))
            line(x0, x1, z0, z1, kerb, 0.15)
            line(*sorted((r.edge(side), r.edge(side) - side * 0.3)), z0, z1, asphalt * 0.8 * s.light.gain((0, 1, 0)),
                 0.2)
    if r.rails is not None:
        for dx in (-0.72, 0.72):
            line(r.rails + dx - 0.05, r.rails + dx + 0.05, 2.5, FAR_M, np.array((70, 70, 74)) * s.light.gain((0, 1,
                0)) + 20, 0.1)
    for k in range(-r.lanes + 1, r.lanes):
        x = k * r.lane_m
        if r.rails is not None and abs(x - r.rails) < 1.4:
            continue
        solid = k == 0 and rng.random() < 0.35
        for z in np.arange(2.6, 110, 9.0 if not solid else 200):
            end = z + (4.5 if not solid else 110)
            if r.junction and z < r.junction[1] and end > r.junction[0] - 4:
                end = min(end, r.junction[0] - 4) if z < r.junction[0] - 4 else z
            line(x - 0.06, x + 0.06, z, end)
    if r.junction:
        z = r.junction[0]
        line(0.15, r.right - 2.3 * r.parking[1], z - 1.4, z - 0.95)
        if rng.random() < 0.7:  # zebra
            for x in np.arange(r.left + 0.4, r.right - 0.4, 1.0):
                line(x, x + 0.5, max(z + 0.3, 2.5), z + 3.6)
    if rng.random() < 0.4:  # a repaired trench, a manhole
        x, z = rng.uniform(r.left, r.right - 1.5), rng.uniform(6, 20)
        line(x, x + rng.uniform(0.8, 1.6), z, z + rng.uniform(3, 12), asphalt * 0.8 * s.light.gain((0, 1, 0)), 0.2)


def line_street(s: Scene) -> None:
    """Fill both sides from far to near with houses, walls, fences, hedges and trees."""
    rng, city = s.rng, s.frame.city
    barrier_side = s.road.wall_side
    for side in (-1, 1):
        x = s.road.front(side)
        lots, z = [], float(rng.uniform(1.5, 3.0))
        green_side = s.frame.street == "park" and side == barrier_side
        while z < FAR_M:
            kind = "house"
            length = float(rng.uniform(9, 20))
            if s.road.junction and z < s.road.junction[1] and z + length > s.road.junction[0] - 1:
                if z < s.road.junction[0] - 5:
                    length = s.road.junction[0] - 1 - z
                else:
                    z = s.road.junction[1] + 1.5
                    continue
            odds = {"downtown": 0.10, "suburb": 0.34, "arterial": 0.42, "park": 0.3}[s.frame.street]
            if green_side and rng.random() < 0.85 or rng.random() < odds:
                kind = "green"
            lots.append((z, z + length, kind))
            z += length
        barrier = _barriers(s, side, side == barrier_side)
        things: list[list[Thing]] = []
        for z0, z1, kind in lots:
            fenced = next((b for b in barrier if b[0] < z1 and b[1] > z0), None)
            things.append(_lot(s, side, x, z0, z1, "green" if fenced and rng.random() < 0.6 else kind, bool(fenced),
                               city))
        for group in sorted((g for g in things if g), key=lambda g: -max(t.z for t in g)):
            s.backdrop.extend(group)
        for z0, z1, what in barrier:
            s.backdrop.extend(_barrier(s, side, x, z0, z1, what))


def _lot(s: Scene, side: int, x: float, z0: float, z1: float, kind: str, fenced: bool, city) -> list[Thing]:
    rng = s.rng
    season = city.season
    if kind == "house":
        setback = {"suburb": 4.0, "park": 3.0, "arterial": 2.0}.get(s.frame.street,
                                                                    0.0) * float(rng.random()) + (2.5 if fenced else 0)
        tall = rng.uniform(*city.height_m) * (0.75 if s.frame.street == "suburb" else 1.0)
        style = str(rng.choice(city.styles))
        home = make_house(z1 - z0, tall, style, s.light, rng)
        gap = 0.0 if s.frame.street == "downtown" else float(rng.uniform(0, 2.5))
        return house(side, x + side * setback, z0, z1 - gap, home, s.camera, s.light, style not in ("office",
            "industrial") and tall < 13, rng)
    leaves = LEAVES[season]
    out: list[Thing | None] = []
    back = x + side * rng.uniform(9, 14)
    a, b = ((back, z0), (back, z1)) if side < 0 else ((back, z1), (back, z0))
    out.append(hedge(a, b, rng.uniform(6, 11), s.camera, s.light, leaves[rng.integers(5)], rng, 0.2))
    for _ in range(rng.integers(1, 4)):
        out.append(tree(rng, season, x + side * rng.uniform(2.0, 7.0), rng.uniform(z0, z1), s.camera, s.light,
                        rng.uniform(6, 12)))
    if not fenced and rng.random() < 0.5:
        near = x + side * 0.6
        a, b = ((near, z0), (near, z1)) if side < 0 else ((near, z1), (near, z0))
        out.append(hedge(a, b, rng.uniform(0.8, 1.8), s.camera, s.light, leaves[rng.integers(5)], rng))
    return sorted((t for t in out if t is not None), key=lambda t: -t.z)


def _barriers(s: Scene, side: int, first: bool) -> list[tuple[float, float, str]]:
    """Return sections (z0, z1, kind) of wall and fence along the building line; at most one of each per frame."""
    out = []
    enter = s.entry(s.road.front(side))
    for what, mine in (("wall", first), ("fence", not first)):
        if s.wants(what) and mine:
            z0 = enter - float(s.rng.uniform(0, 3))
            z1 = z0 + float(s.rng.uniform(14, 30))
            if s.road.junction and z1 > s.road.junction[0] - 2:
                if s.road.junction[0] - 2 - enter > 5:
                    z1 = s.road.junction[0] - 2
                else:
                    z0 = s.road.junction[1] + 1.5
                    z1 = z0 + float(s.rng.uniform(14, 26))
            out.append((max(z0, 3.0), z1, what))
    return out


def _barrier(s: Scene, side: int, x: float, z0: float, z1: float, what: str) -> list[Thing]:
    a, b = ((x, z0), (x, z1)) if side < 0 else ((x, z1), (x, z0))
    normal = (-side, 0, 0)
    if what == "wall":
        return [t for t in [wall(a, b, float(s.rng.uniform(1.6, 2.9)), s.camera, s.light, normal, s.rng)] if t]
    out = [fence(a, b, float(s.rng.uniform(1.5, 2.4)), s.camera, s.light, normal, s.rng)]
    return [t for t in out if t]


def close_view(s: Scene) -> None:
    """Add houses and trees at the end of the street, so that no road ends in the sky."""
    rng = s.rng
    z = FAR_M + 20
    centre = -s.camera.drift(z) + s.camera.offset_m
    for _ in range(5):
        x, h = centre + rng.uniform(-34, 34), rng.uniform(6, 14)
        home = make_house(rng.uniform(10, 18), h, str(rng.choice(s.frame.city.styles)), s.light, rng)
        def make(layer, quad, home=home):
            stretch(layer, front(home, s.light, s.light.gain(), 4.0), quad)
            clear = np.exp(-s.light.haze_per_m * z)
            layer[:] = (layer * clear + s.light.haze * (1 - clear)).clip(0, 255).astype(np.uint8)

        thing = upright("building", (x - home.width_m / 2, z), (x + home.width_m / 2, z), 0, h, s.camera, make, z)
        if thing:
            s.backdrop.append(thing)
    leaves = LEAVES[s.frame.city.season]
    for _ in range(3):
        x = centre + rng.uniform(-40, 40)
        thing = hedge((x - 14, z - 10), (x + 14, z - 10), rng.uniform(4, 8), s.camera, s.light,
                      leaves[rng.integers(5)], rng, 0.2)
        if thing:
            s.backdrop.append(thing)
    if s.frame.street == "arterial" and rng.random() < 0.3 and not s.wants("wall"):
        side = int(rng.choice([-1, 1]))
        x = s.road.edge(side) + side * 0.4
        a, b = ((x, 8.0), (x, 40.0)) if side < 0 else ((x, 40.0), (x, 8.0))
        rail = guard_rail(a, b, s.camera, s.light, (-side, 0, 0))
        if rail:
            s.street.append(rail)
