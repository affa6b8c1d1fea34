"""Parts of every frame caused by the camera car: its bonnet, and the unusable border of the rectified image."""

from __future__ import annotations

import numpy as np

from helpers.miniscapes.canvas import Brush, Thing
from helpers.miniscapes.scene import Scene


def solid(colour: tuple[int, int, int]) -> Brush:
    """Return a brush of one colour."""

    def brush(layer, to_layer):
        layer[:] = colour

    return brush


def leave(layer, to_layer) -> None:
    """A brush that paints nothing: only the annotation changes."""


def hood(s: Scene, top: float, tone) -> list[Thing]:
    """Create the bonnet of the camera car along the lower edge, which reflects the sky, with an ornament."""
    height = s.camera.height_px
    x = np.linspace(0, 2048, 41)
    bend = ((x - 1024) / 1024) ** 2
    y = height - top * (1 - 0.42 * bend - 0.5 * bend**6)
    polygon = np.concatenate([np.stack([x, y], 1), [(2048, height), (0, height)]])

    def brush(layer, to_layer):
        h, w = layer.shape[:2]
        t = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
        sheen = s.light.skyline * 0.55 * s.light.gain((0, 1, 0)).clip(0.2, 1)
        across = (1 - 0.35 * np.abs(np.linspace(-1, 1, w, dtype=np.float32)))[None, :, None]
        layer[:] = np.clip((np.asarray(tone) * 0.8 + sheen * np.exp(-3.2 * t)) * across, 0, 255).astype(np.uint8)

    things = [Thing("ego vehicle", polygon, brush, 0.0)]
    badge = np.array([(0, 34), (5, 12), (20, -2), (4, 3), (0, 10), (-4, 3), (-20, -2), (-5, 12)], float) * [1,
        -1] + [1024, height - top + 16]
    things.append(Thing("ego vehicle", badge, solid((168, 170, 174)),
                        0.0))
    return things


def borders(s: Scene) -> list[Thing]:
    """Create the unusable border: dark slivers from rectification, and pixels outside the region of interest."""
    h = s.camera.height_px
    dark = solid((0, 0, 0))
    return [Thing("rectification border", np.array([(0, 0), (4, 0), (7, h * 0.5), (4, h), (0, h)]), dark),
            Thing("rectification border", np.array([(2048, 0), (2045, 0), (2043, h * 0.5), (2045, h), (2048, h)]),
                  dark),
            Thing("out of roi", np.array([(0, h - 5), (2048, h - 5), (2048, h), (0, h)]), leave),
            Thing("out of roi", np.array([(0, 0), (2048, 0), (2048, 4), (0, 4)]), leave)]
