"""Corruptions of an image at five strengths: fog, blur, noise and JPEG.

The kinds and the idea of five strengths are those of D. Hendrycks and T. Dietterich 2019, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations", arXiv:1903.12261. The strengths here are for frames of 512 x 256
pixels; radii grow with the height of the frame, so that a larger frame is spoiled alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from helpers.common.errors import CourseError
from helpers.common.progress import progress
from helpers.datasets import Frame, read_pair
from helpers.evaluation.opening import PredictFn
from helpers.evaluation.scores import confusion_matrix, scores

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
    radius = max(0.6, (1.0, 1.5, 2.2, 3.1, 4.2)[level] * image.shape[0] / _HEIGHT)  # less would change nothing
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


def robustness(networks: Mapping[str, PredictFn], frames: Sequence[Frame], seed: int = 0) -> dict[str, dict[str, list]]:
    """mIoU of each network under each corruption: {kind: {network: [mIoU at strength 0, 1, ... 5]}}.

    `networks` map a uint8 RGB image (H, W, 3) to train ids. Strength 0 is the frame as it is. All networks see the same
    corrupted frames. Raises CourseError without frames.
    """
    if not frames:
        raise CourseError("Expected at least one frame to corrupt, got none.")
    count = len(frames[0].dataset.classes)
    clean = dict.fromkeys(networks, 0)
    corrupted = {(kind, name, level): 0 for kind in KINDS for name in networks for level in STRENGTHS}
    with progress(total=len(frames) * (1 + len(KINDS) * len(STRENGTHS)), desc="corrupting", unit="image") as bar:
        for index, frame in enumerate(frames):
            image, label = read_pair(frame)
            for name, network in networks.items():
                clean[name] += confusion_matrix(network(image), label, count)
            bar.update()
            for kind in KINDS:
                for level in STRENGTHS:
                    seen = corrupt(image, kind, level, seed + index)
                    for name, network in networks.items():
                        corrupted[kind, name, level] += confusion_matrix(network(seen), label, count)
                    bar.update()
    return {
        kind: {
            name: [scores(clean[name]).miou] + [scores(corrupted[kind, name, level]).miou for level in STRENGTHS]
            for name in networks
        }
        for kind in KINDS
    }
