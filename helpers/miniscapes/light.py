"""Light and weather: effect of sun, sky and air on colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WEATHERS = ("sunny", "overcast", "hazy", "rain", "dusk", "night")


def rgb(*values) -> np.ndarray:
    return np.asarray(values, np.float64)


@dataclass(frozen=True)
class Light:
    """One frame's light. Colours are RGB, 0 to 255; gains are RGB factors.

    ambient: gain everywhere. sun: gain added where a surface faces `sun_dir` (unit vector towards the sun).
    zenith, skyline: the sky's colours at the top and at the horizon. clouds: 0 (none) to 1. haze: colour of the air,
    haze_per_m: extinction. wet: 0 (dry) to 1. night: 0 (day) to 1. grain: sensor noise, grey levels.
    blur_px, motion_px: in reference pixels. white: white balance gain. contrast: around mid grey.
    """

    ambient: np.ndarray
    sun: np.ndarray
    sun_dir: np.ndarray
    zenith: np.ndarray
    skyline: np.ndarray
    clouds: float
    haze: np.ndarray
    haze_per_m: float
    wet: float = 0.0
    night: float = 0.0
    grain: float = 4.0
    blur_px: float = 1.5
    motion_px: float = 0.0
    white: np.ndarray = None
    contrast: float = 1.0

    def gain(self, normal=(0.0, 0.0, -1.0)) -> np.ndarray:
        """Return the brightness of a surface with this unit normal, as an RGB factor."""
        facing = sum(n * s for n, s in zip(normal, self.sun_dir.tolist(), strict=True))
        return self.ambient + self.sun * max(0.0, float(facing))

    def through_air(self, colour, z):
        """Return a colour seen through z metres of haze; colour (..., 3), z scalar or (...,)."""
        clear = np.exp(-self.haze_per_m * np.asarray(z, np.float64))[..., None]
        return np.asarray(colour, np.float64) * clear + self.haze * (1 - clear)

    def shade(self, colour, normal=(0.0, 0.0, -1.0), z: float = 0.0) -> tuple[int, int, int]:
        """Return the RGB of a flat surface with this normal at z metres."""
        return self.glow([c * g for c, g in zip(colour, self.gain(normal).tolist(), strict=True)], z)

    def glow(self, colour, z: float = 0.0) -> tuple[int, int, int]:
        """Return the RGB of a luminous surface at z metres."""
        clear = math.exp(-self.haze_per_m * z)
        r, g, b = (max(0, min(255, int(c * clear + h * (1 - clear)))) for c, h in zip(colour, self.haze.tolist(),
            strict=True))
        return r, g, b


def make_light(weather: str, rng: np.random.Generator) -> Light:
    """Create the light of a frame for a weather (sunny, overcast, hazy, rain, dusk, night)."""
    side = rng.choice([-1.0, 1.0])
    sun_dir = rgb(side * rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9), rng.uniform(-0.6, 0.3))
    sun_dir /= np.linalg.norm(sun_dir)
    warm = rng.uniform(-1, 1)
    white = rgb(1 + 0.05 * warm, 1.0, 1 - 0.06 * warm) * rng.uniform(0.93, 1.07)
    blur = rng.uniform(1.0, 2.2)
    motion = float(rng.choice([0.0, 0.0, 0.0, rng.uniform(4, 9)]))
    common = {"sun_dir": sun_dir, "white": white, "blur_px": blur, "motion_px": motion}
    if weather == "sunny":
        return Light(rgb(0.50, 0.53, 0.60), rgb(0.85, 0.79, 0.66), zenith=rgb(88, 132, 190) * rng.uniform(0.85, 1.1),
                     skyline=rgb(196, 214, 228), clouds=rng.uniform(0.1, 0.6), haze=rgb(190, 204, 216),
                     haze_per_m=0.0012, grain=3.0, contrast=1.06, **common)
    if weather == "overcast":
        grey = rng.uniform(0.85, 1.08)
        return Light(rgb(0.80, 0.82, 0.84) * grey, rgb(0.08, 0.08, 0.08), zenith=rgb(186, 190, 196) * grey,
                     skyline=rgb(226, 228, 230) * min(grey, 1.05), clouds=rng.uniform(0.5, 0.9),
                     haze=rgb(196, 199, 203) * grey, haze_per_m=0.0025, grain=4.0, **common)
    if weather == "hazy":
        return Light(rgb(0.78, 0.77, 0.74), rgb(0.16, 0.14, 0.10), zenith=rgb(206, 206, 202), skyline=rgb(224, 220,
            210),
                     clouds=0.15, haze=rgb(212, 209, 200), haze_per_m=rng.uniform(0.007, 0.012), grain=4.0,
                     contrast=0.92, **common)
    if weather == "rain":
        return Light(rgb(0.60, 0.63, 0.67), rgb(0.03, 0.03, 0.03), zenith=rgb(138, 144, 152), skyline=rgb(184, 188,
            192),
                     clouds=0.8, haze=rgb(160, 166, 172), haze_per_m=0.006, wet=rng.uniform(0.6, 1.0), grain=6.0,
                     contrast=0.97, **{**common, "blur_px": blur + 0.5})
    if weather == "dusk":
        return Light(rgb(0.46, 0.42, 0.46), rgb(0.42, 0.24, 0.08), zenith=rgb(82, 92, 132), skyline=rgb(232, 172, 124),
                     clouds=rng.uniform(0.3, 0.8), haze=rgb(170, 138, 126), haze_per_m=0.004, night=0.45, grain=6.0,
                     **common)
    return Light(rgb(0.36, 0.36, 0.40), rgb(0.06, 0.06, 0.06), zenith=rgb(20, 24, 42), skyline=rgb(58, 56, 70),
                 clouds=0.3, haze=rgb(54, 52, 60), haze_per_m=0.004, wet=float(rng.choice([0.0, 0.5])), night=1.0,
                 grain=8.0, **common)
