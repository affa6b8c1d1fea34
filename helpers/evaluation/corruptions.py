"""Corruptions of an image at five strengths: fog, blur, noise and JPEG.

The kinds and the idea of five strengths are those of D. Hendrycks and T. Dietterich 2019, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations", arXiv:1903.12261. The strengths here are for frames of 512 x 256
pixels; radii grow with the height of the frame, so that a larger frame is spoiled alike.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from helpers.common.errors import CourseError

STRENGTHS = (1, 2, 3, 4, 5)
_HEIGHT = 256  # pixels, for which the radii below are given


def corrupt(image: np.ndarray, kind: str, strength: int, seed: int = 0) -> np.ndarray:
    """A corrupted copy of uint8 RGB `image` (H, W, 3).

    `kind` is one of KINDS, `strength` 1 to 5; `seed` draws the noise and the fog's wisps. Raises CourseError for
    another kind or strength.
    """
    if kind not in KINDS or strength not in STRENGTHS:
        raise CourseError(
            f"Expected a corruption of {', '.join(KINDS)} at a strength from 1 to 5, got {kind!r} at {strength}."
        )
    spoiled = KINDS[kind](image.astype(np.float32), strength - 1, np.random.default_rng(seed))
    return np.clip(np.rint(spoiled), 0, 255).astype(np.uint8)


def _fog(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Mix with a bright veil that is denser at the horizon, half way up, than close to the camera, with wisps."""
    height, width = image.shape[:2]
    density = (0.2, 0.35, 0.5, 0.62, 0.74)[level]
    distance = 1 - np.abs(np.linspace(-1, 1, height, dtype=np.float32))[:, np.newaxis] ** 2  # 1 at the horizon
    wisps = cv2.resize(rng.random((4, 8), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    veil = np.clip(density * (0.65 + 0.35 * distance) + 0.15 * (wisps - 0.5), 0, 1)[..., np.newaxis]
    return image * (1 - veil) + 225 * veil


def _blur(image: np.ndarray, level: int, _: np.random.Generator) -> np.ndarray:
    """Defocus: the mean over a disk."""
    radius = (0.8, 1.2, 1.8, 2.6, 3.6)[level] * image.shape[0] / _HEIGHT
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)  # soft edge: radii between whole pixels
    return cv2.filter2D(image, -1, disk / disk.sum(), borderType=cv2.BORDER_REFLECT)


def _noise(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, as of a sensor in the dark."""
    deviation = (8, 14, 22, 32, 46)[level]
    return image + rng.normal(0, deviation, image.shape).astype(np.float32)


def _jpeg(image: np.ndarray, level: int, _: np.random.Generator) -> np.ndarray:
    """Compression at a low quality."""
    quality = (40, 25, 15, 10, 6)[level]
    bgr = np.ascontiguousarray(image[..., ::-1]).astype(np.uint8)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)


KINDS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "fog": _fog,
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
}
