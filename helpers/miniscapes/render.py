"""Render the image and the polygons of a planned frame."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from helpers.miniscapes.camera import REFERENCE_WIDTH, cut_to_frame
from helpers.miniscapes.canvas import Canvas, Thing
from helpers.miniscapes.cities import FramePlan
from helpers.miniscapes.effects import add_glow, sensor, wet_ground
from helpers.miniscapes.ground import Ground
from helpers.miniscapes.rim import borders, hood
from helpers.miniscapes.roadside import furnish
from helpers.miniscapes.scene import Scene, open_scene
from helpers.miniscapes.street import close_view, lay_ground, line_street
from helpers.miniscapes.traffic import add_cars, add_cyclists, add_motorcycle, add_people, add_rare

ATTEMPTS = 8
# Minimum visible pixels of a scheduled class in the 512-wide preview.
MUST_SHOW = {"train": 300, "bus": 200, "truck": 200, "motorcycle": 60, "rider": 40, "bicycle": 60, "wall": 200,
             "fence": 200,
             "terrain": 200, "traffic light": 15, "traffic sign": 20, "person": 40, "car": 150}
COUNTED = {"person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle", "caravan", "trailer"}
LEAST_SEEN = 5  # preview pixels; instances with fewer visible pixels are removed


def compose(frame: FramePlan, size_hw: tuple[int, int]) -> Scene:
    """Compose the scene of a frame; retry with other random numbers until every scheduled class is visible."""
    best, best_missing = None, None
    for attempt in range(ATTEMPTS if len(frame.wanted) < 11 else 2):  # one frame cannot show nearly all classes
        s, missing = arrange(frame, size_hw, attempt)
        if best is None or len(missing) < len(best_missing):
            best, best_missing = s, missing
        if not missing:
            break
    return best


def arrange(frame: FramePlan, size_hw: tuple[int, int], attempt: int, travel_m: float = 0.0) -> tuple[Scene, list[str]]:
    """Return one scene for a frame, and the scheduled classes that are not visible in it.

    `travel_m`: how far the camera has moved along the road; the street is the same.
    """
    s = open_scene(frame, size_hw, attempt, travel_m)
    lay_ground(s)
    close_view(s)
    line_street(s)
    for populate in (add_rare, add_motorcycle, add_cyclists, add_people, add_cars, furnish):
        populate(s)
    car = np.random.default_rng(sum(map(ord, frame.city.name)))  # one camera car per city
    top, tone = car.uniform(70, 125), np.array([(34, 36, 42), (22, 22, 26), (60, 62, 66),
                                                (28, 34, 52)][car.integers(4)])
    s.overlay = hood(s, top, tone)
    s.overlay += borders(s)
    return s, _prune(s)


def _everything(s: Scene) -> list[Thing]:
    """Return everything above the ground in painting order."""
    return [*s.backdrop[1:], *sorted(s.street, key=lambda t: -t.z), *s.overlay]


def _prune(s: Scene) -> list[str]:
    """Remove invisible instances and return invisible scheduled classes, independent of the frame size."""
    things = [Thing(f.label, f.polygon, None) for f in s.surfaces] + _everything(s)
    scale = 512 / REFERENCE_WIDTH
    width, height = 512, int(s.camera.height_px * scale)
    preview = Image.new("I", (width, height), -1)
    draw = ImageDraw.Draw(preview)
    for i, thing in enumerate(things):
        inside = cut_to_frame(thing.polygon * scale, width, height)
        if len(inside) >= 3 and thing.label != "license plate":
            draw.polygon(inside.astype(int).ravel().tolist(), fill=i)
    seen = np.bincount(np.asarray(preview).ravel() + 1, minlength=len(things) + 1)[1:]
    shown: dict[str, int] = {}
    hidden = set()
    for thing, count in zip(things, seen, strict=True):
        shown[thing.label] = shown.get(thing.label, 0) + int(count)
        if count < (LEAST_SEEN if thing.label in COUNTED else 1) and thing.label != "license plate":
            hidden.add(id(thing))
    s.street = [t for t in s.street if id(t) not in hidden]
    s.backdrop = [s.backdrop[0], *[t for t in s.backdrop[1:] if id(t) not in hidden]]
    return [name for name in s.frame.wanted if shown.get(name, 0) < MUST_SHOW[name]]


def render(frame: FramePlan, size_hw: tuple[int, int]) -> tuple[np.ndarray, dict, np.ndarray]:
    """Render one frame.

    Return the image, uint8 (H, W, 3) RGB; the annotation in the schema of gtFine_polygons.json; and for every pixel
    the index in annotation["objects"] of the visible object, int32 (H, W).
    """
    return paint(compose(frame, size_hw), size_hw, frame.rng(777))


def paint(s: Scene, size_hw: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, dict, np.ndarray]:
    """Paint a scene: see `render`. `rng`: random numbers of the sensor."""
    canvas = Canvas(size_hw)
    ground = Ground(canvas, s.camera, s.light, s.seed())
    for polygons, darkness, soft in s.shadows:
        ground.cast(polygons, darkness, soft)
    canvas.paint(s.backdrop[0])
    for surface in s.surfaces:
        canvas.paint(Thing(surface.label, surface.polygon, ground.brush(surface.material, surface.colour)))
    for mark in s.marks:
        mark(canvas)
    for thing in _everything(s):
        canvas.paint(thing)
    image = canvas.flat()
    labels = np.array([o["label"] for o in canvas.objects] + ["none"])
    if s.light.wet > 0:
        flat = np.isin(labels, ["road", "sidewalk", "parking", "ground", "rail track"])
        wet_ground(image, flat[canvas.index], s.camera.horizon_px, s.light, rng)
    add_glow(image, s.lamps)
    image = sensor(image, s.light, rng)
    return image, {"imgHeight": size_hw[0], "imgWidth": size_hw[1], "objects": canvas.objects}, canvas.index
