"""Traffic: vehicles, riders and pedestrians."""

from __future__ import annotations

import numpy as np

from helpers.miniscapes import people, vehicles
from helpers.miniscapes.furniture import moving_clutter
from helpers.miniscapes.scene import Scene
from helpers.miniscapes.solids import Pose, place
from helpers.miniscapes.sprites import Part, mirrored

AWAY, TOWARDS = 0.0, np.pi


def drive(s: Scene, label: str, make, x: float, z: float, heading: float, ground: float = 0.0) -> bool:
    """Place a vehicle on the road; return False if the space is occupied or it is not visible.

    Parameters
    ----------
    s : Scene
        Scene to change.
    label : str
        Cityscapes label.
    make : callable
        Called with the generator and the darkness (0 to 1); returns the solids.
    x, z : float
        Position in metres.
    heading : float
        AWAY, TOWARDS or another angle in radians.
    ground : float, default 0
        Height of the ground in metres.
    """
    parts = make(s.rng, s.light.night)
    length, width = max(p.length_m for p in parts), max(p.width_m for p in parts)
    across = abs(np.sin(heading)) > 0.7
    half_x, half_z = (length / 2, width / 2) if across else (width / 2, length / 2)
    if z - half_z < 4.5 or not s.free(x, z, half_x + 0.2, half_z + 0.5):
        return False
    if abs(heading) < 0.1 and abs(x - s.camera.offset_m) < 1.5:
        z += s.camera.travel_m  # it drives ahead of the camera, as fast
    things = place(label, parts, Pose(x, z, heading, ground), s.camera, s.light, s.seed())
    if not things:
        return False
    for thing in things:
        thing.z = z - half_z * 0.9  # a long vehicle is sorted by its near end
    s.street.extend(things)
    tall = float(parts[0].profile[:, 1].max())
    s.cast(x, z, half_x, half_z, tall)
    if not across:
        end = z - half_z
        for dx in (-0.6, 0.6):
            if heading == TOWARDS:
                s.lamp(x + dx, 0.65, end, 0.55, (255, 244, 214), 0.85)
            else:
                s.lamp(x + dx, 0.8, end, 0.22, (255, 60, 40), 0.5)
    return True


def add_rare(s: Scene) -> None:
    """Add the scheduled rare vehicles close to the camera."""
    rng, r = s.rng, s.road
    own, other = (r.lanes - 0.5) * r.lane_m, -(r.lanes - 0.5) * r.lane_m
    if s.wants("train"):
        x = r.rails if r.rails is not None else other
        for _ in range(6):
            away = x > 0
            z = rng.uniform(24, 44)
            if drive(s, "train", vehicles.tram, x, z, AWAY if away else TOWARDS):
                s.sight(x, z - 8)
                break
    for name, make, near, far in (("bus", vehicles.bus, 26, 54), ("truck", vehicles.truck, 22, 50)):
        if s.wants(name):
            for _ in range(10):
                lane, heading = (own, AWAY) if rng.random() < 0.5 else (other, TOWARDS)
                if r.junction and rng.random() < 0.25:
                    lane, heading = rng.uniform(r.left, r.right), rng.choice([-1, 1]) * np.pi / 2
                    z = sum(r.junction) / 2
                else:
                    z = rng.uniform(near, far)
                if drive(s, name, make, lane, z, heading):
                    s.sight(lane, z - 5)
                    break


def add_cars(s: Scene) -> None:
    """Add parked rows, queues and oncoming cars where there is space."""
    rng, r = s.rng, s.road
    stop = r.junction[0] - 1.5 if r.junction else 120.0
    if not s.wants("car"):
        return
    if rng.random() < 0.07:
        drive(s, "caravan" if rng.random() < 0.5 else "trailer", vehicles.caravan, r.right - 1.1, rng.uniform(10, 25),
              AWAY)
    for side in (-1, 1):
        if r.parking[side > 0]:
            x, z = r.edge(side) - side * 1.1, rng.uniform(6.5, 9)
            density = rng.uniform(0.7, 1.0)
            while z < 75:
                crossing = r.junction and r.junction[0] - 6 < z < r.junction[1] + 4
                if rng.random() < density and not crossing:
                    drive(s, "car", vehicles.car, x + rng.normal(0, 0.08), z,
                          AWAY if side > 0 or rng.random() < 0.2 else TOWARDS)
                z += rng.uniform(5.4, 6.6)
    for lane in range(r.lanes):
        x = (lane + 0.5) * r.lane_m
        z = rng.uniform(11, 30) if rng.random() < 0.7 else rng.uniform(25, 60)
        for _ in range(int(rng.integers(2, 8))):
            if z < 90:
                drive(s, "car", vehicles.car, x + rng.normal(0, 0.15), z, AWAY + rng.normal(0, 0.02))
            z += rng.uniform(6.5, 9) if z < stop and r.junction else rng.uniform(9, 24)
        z = rng.uniform(9, 30)
        for _ in range(int(rng.integers(2, 8))):
            if z < 100:
                drive(s, "car", vehicles.car, -x + rng.normal(0, 0.15), z, TOWARDS)
            z += rng.uniform(8, 26)
    if r.junction:
        for _ in range(int(rng.integers(0, 3))):
            x, z = rng.uniform(r.left - 1, r.right + 1), rng.uniform(r.junction[0] + 1.5, r.junction[1] - 1.5)
            drive(s, "car", vehicles.car, x, z, rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.05))


def add_motorcycle(s: Scene) -> None:
    """Add a motorcycle, sometimes with a rider if one is scheduled, else parked."""
    if not s.wants("motorcycle"):
        return
    rng, r = s.rng, s.road
    for _ in range(8):
        ridden = s.wants("rider") and rng.random() < 0.6
        away = rng.random() < 0.6
        view = "rear" if away else "front"
        if ridden:
            x, z = (r.right * 0.5 if away else r.left * 0.5), rng.uniform(14, 28)
        else:
            side = rng.choice([-1, 1])
            x, view = r.edge(side) + side * rng.uniform(-0.6, 0.6), "side"
            z = s.entry(x) + rng.uniform(5, 17)
        if s.free(x, z, 1.1 if view == "side" else 0.5, 0.8):
            s.sight(x, z)
            parts = people.motorcycle(rng, view, s.light.night)
            s.figure("motorcycle", parts, x, z, 0.8 if view == "side" else 0.35, 1.1)
            if ridden:
                s.figure("rider", people.rider(rng, view, True), x, z, 0, nudge=0.05, ground=0.0)
                s.lamp(x, 0.8, z, 0.4, (255, 240, 210) if view == "front" else (255, 60, 40), 0.6)
            return


def add_cyclists(s: Scene) -> None:
    """Add cyclists and parked bicycles; riders are on bicycles unless only a motorcycle is scheduled."""
    rng, r = s.rng, s.road
    if s.wants("rider") and (s.wants("bicycle") or not s.wants("motorcycle")):
        for _ in range(int(rng.integers(1, 3))):
            for _ in range(5):
                across = r.junction is not None and rng.random() < 0.35
                if across:
                    x, z, view = rng.uniform(-4, 4), r.junction[0] + rng.uniform(0, 3), "side"
                elif rng.random() < 0.3:
                    x, view = r.edge(1) + rng.uniform(0.6, 1.5), "side"
                    z = s.entry(x) + rng.uniform(4, 14)
                else:
                    right = rng.random() < 0.65
                    x = r.right - 2.3 * r.parking[1] - 0.5 if right else r.left + 2.3 * r.parking[0] + 0.6
                    z, view = max(rng.uniform(12, 34), s.entry(x) + 2), "end"
                if s.free(x, z, 1.0 if view == "side" else 0.4, 0.6):
                    s.sight(x, z)
                    flip = rng.random() < 0.5
                    for label, parts, nudge in (("bicycle", people.bicycle(rng, view), 0.0),
                                                ("rider", people.rider(rng, view, False), 0.05)):
                        parts = mirrored(parts) if flip else parts
                        s.figure(label, parts, x, z, 0.5 if nudge == 0 else 0, 1.7, nudge=nudge, ground=0.0)
                    break
    if s.wants("bicycle"):
        side = int(rng.choice([-1, 1]))
        x = r.edge(side) + side * rng.uniform(0.5, 1.4)
        z = s.entry(x) + rng.uniform(0.5, 7)
        for _ in range(int(rng.integers(1, 4))):
            if s.free(x, z, 0.9, 0.3):
                s.sight(x, z)
                s.figure("bicycle", people.bicycle(rng, "side" if rng.random() < 0.8 else "end"), x, z, 0.7, 1.0)
            x, z = x + side * rng.uniform(0, 0.4), z + rng.uniform(0.7, 2.0)


def add_people(s: Scene) -> None:
    """Add pedestrians on the sidewalks and crossing, alone and in groups; a distant crowd is a persongroup."""
    rng, r = s.rng, s.road
    if not s.wants("person"):
        return
    rain = s.light.wet > 0.5
    busy = {"downtown": (7, 12), "park": (6, 10)}.get(s.frame.street, (4, 9))
    for group in range(int(rng.integers(*busy))):
        side = int(rng.choice([-1, 1]))
        walk = r.walk_right if side > 0 else r.walk_left
        x = r.edge(side) + side * rng.uniform(0.5, max(0.8, walk - 0.4))
        z = s.entry(x) + float(rng.triangular(0, 2, 10) if group == 0 else rng.triangular(0, 4, 42))
        if r.junction and rng.random() < 0.3:
            x, z = rng.uniform(r.left, r.right + 2), r.junction[0] + rng.uniform(0.5, 3.5)
        for _ in range(int(rng.choice([1, 1, 2, 2, 3, 4]))):
            if s.free(x, z, 0.35, 0.3):
                if group == 0:
                    s.sight(x, z)
                s.figure("person", people.walker(rng, rain), x, z, 0.28, 1.7)
            x, z = x + rng.uniform(0.55, 0.8) * rng.choice([-1, 1]), z + rng.uniform(-0.3, 0.5)
    if rng.random() < 0.12:
        side, z = int(rng.choice([-1, 1])), rng.uniform(45, 70)
        parts: list[Part] = []
        for k in range(5):
            parts += [Part(p.points + [0.45 * k, 0], p.colour) for p in people.walker(rng)]
        s.figure("persongroup", parts, r.edge(side) + side * 1.5, z, 0)
    if rng.random() < 0.15:
        side = int(rng.choice([-1, 1]))
        s.figure("dynamic", moving_clutter(rng), r.edge(side) + side * 1.2, rng.uniform(9, 22), 0.3, 0.9)
