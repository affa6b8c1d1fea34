"""Textures (grain, masonry) and drawing primitives for the brushes."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

TILE = 512


@lru_cache(maxsize=32)
def noise(kind: int, cell: int, octaves: int = 1) -> np.ndarray:
    """Return smooth tileable noise, float32 (TILE, TILE), mean 0, standard deviation 1; cell: coarsest grain in pixels.

    The tile depends only on the arguments, so all frames and processes share the same few tiles.
    """
    rng = np.random.default_rng(np.random.SeedSequence([977, kind, cell, octaves]))
    total = np.zeros((TILE, TILE), np.float32)
    for k in range(octaves):
        n = max(2, min(TILE, TILE * 2**k // cell))
        coarse = rng.standard_normal((n, n)).astype(np.float32)
        wide = cv2.copyMakeBorder(coarse, 2, 2, 2, 2, cv2.BORDER_WRAP)
        step = TILE / n
        big = cv2.resize(wide, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        pad = round(2 * step)
        total += big[pad:pad + TILE, pad:pad + TILE] * 0.6**k
    return (total - total.mean()) / total.std()


def patch(rng: np.random.Generator, shape_hw, kind: int = 0, cell: int = 8, octaves: int = 1) -> np.ndarray:
    """Return a random crop of `noise`, float32 (h, w)."""
    h, w = shape_hw
    tile = noise(kind, cell, octaves)
    y, x = (int(v) for v in rng.integers(0, TILE, 2))
    if y + h <= TILE and x + w <= TILE:
        return tile[y:y + h, x:x + w]
    if h * w < TILE * TILE:
        return tile[np.arange(y, y + h)[:, None] % TILE, np.arange(x, x + w)[None] % TILE]
    rolled = np.roll(tile, (-y, -x), (0, 1))
    out = np.empty((h, w), np.float32)
    for top in range(0, h, TILE):
        for left in range(0, w, TILE):
            part = out[top:top + TILE, left:left + TILE]
            part[:] = rolled[:part.shape[0], :part.shape[1]]
    return out


def roughen(layer: np.ndarray, rng: np.random.Generator, amount: float, cell: int = 3, octaves: int = 1) -> None:
    """Multiply a layer (h, w, 3) uint8 by 1 + amount * noise, in place."""
    grain = patch(rng, layer.shape[:2], 1, cell, octaves)
    gain = cv2.merge([grain * amount + 1] * 3)
    layer[:] = cv2.multiply(layer, gain, dtype=cv2.CV_8U)


def ramp(layer: np.ndarray, top: float, bottom: float, left: float = 1.0, right: float = 1.0) -> None:
    """Multiply a layer by a vertical and a horizontal gradient, in place."""
    h, w = layer.shape[:2]
    gain = np.linspace(top, bottom, h, dtype=np.float32)[:, None] * np.linspace(left, right, w, dtype=np.float32)[None]
    layer[:] = cv2.multiply(layer, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


def bricks(h: int, w: int, course: float, colour, mortar, rng: np.random.Generator) -> np.ndarray:
    """Draw running-bond masonry, uint8 (h, w, 3).

    Parameters
    ----------
    h, w : int
        Size in pixels.
    course : float
        Height of a brick in pixels.
    colour, mortar : array-like
        RGB of bricks and joints.
    rng : numpy.random.Generator
        Random brightness of the bricks.
    """
    rows, columns = int(h / course) + 2, int(w / (course * 2.2)) + 3
    tone = 1 + 0.13 * rng.standard_normal((rows, columns)).astype(np.float32)
    y, x = np.arange(h, dtype=np.float32) / course, np.arange(w, dtype=np.float32) / (course * 2.2)
    r = y.astype(np.int32)
    even, odd = tone[:, x.astype(np.int32)], tone[:, (x + 0.5).astype(np.int32)]
    wall = tinted(np.where((r % 2 == 0)[:, None], even[r], odd[r]), colour)
    if course >= 3:
        joints = np.where((r % 2 == 0)[:, None], (x % 1 < 0.45 / course)[None], ((x + 0.5) % 1 < 0.45 / course)[None])
        joints |= (y % 1 < 1.0 / course)[:, None]
        wall[joints] = [min(255, int(v)) for v in mortar]
    return wall


def tinted(tone: np.ndarray, colour) -> np.ndarray:
    """Multiply relative brightness, float32 (h, w), by an RGB colour; return uint8 (h, w, 3)."""
    return cv2.merge([cv2.convertScaleAbs(tone, alpha=float(c)) for c in colour])


def box(picture: np.ndarray, x0, y0, x1, y1, colour) -> None:
    """Draw a filled rectangle; float pixel coordinates, RGB colour, clipped at 255."""
    h, w = picture.shape[:2]
    x0, x1, y0, y1 = max(0, round(x0)), min(w, round(x1)), max(0, round(y0)), min(h, round(y1))
    if x1 > x0 and y1 > y0:
        r, g, b = colour
        picture[y0:y1, x0:x1] = (min(int(r), 255), min(int(g), 255), min(int(b), 255))


def fill(layer: np.ndarray, points: np.ndarray, colour) -> None:
    """Draw a filled antialiased polygon; points: float pixels (N, 2), colour: RGB."""
    fixed = np.rint(np.asarray(points) * 16).astype(np.int32)
    cv2.fillPoly(layer, [fixed], [int(v) for v in colour], cv2.LINE_AA, 4)


def stretch(layer: np.ndarray, picture: np.ndarray, quad: np.ndarray, mask: np.ndarray | None = None) -> None:
    """Map a texture onto a quad (4, 2) of layer pixels: top left, top right, bottom right, bottom left."""
    h, w = picture.shape[:2]
    source = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    matrix = cv2.getPerspectiveTransform(source, np.float32(quad))
    size = (layer.shape[1], layer.shape[0])
    if mask is None:
        cv2.warpPerspective(picture, matrix, size, dst=layer, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return
    over = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    blend(layer, over, seen)


def blend(layer: np.ndarray, over, alpha: np.ndarray) -> None:
    """Blend in place: layer = over * alpha + layer * (1 - alpha); alpha uint8 (h, w), over (h, w, 3) or a colour."""
    a = cv2.merge([alpha.astype(np.float32) / 255] * 3)
    layer[:] = np.clip(layer + (np.asarray(over, np.float32) - layer) * a, 0, 255).astype(np.uint8)
