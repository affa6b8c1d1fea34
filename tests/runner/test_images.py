"""Images of the report."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from helpers.runner.images import compact


def png(pixels: np.ndarray) -> str:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return base64.b64encode(target.getvalue()).decode()


def test_large_images_become_smaller_and_keep_their_pixels_nearly():
    smooth = np.add.outer(np.arange(256), np.arange(256))[..., None] // 2 + np.array([0, 1, 2])
    noisy = (smooth * 0.8 + np.random.default_rng(0).integers(0, 9, smooth.shape)).astype(np.uint8)
    text = png(noisy)
    page = compact(f'<img src="data:image/png;base64,{text}">')
    assert len(page) < len(text) / 2
    stored = base64.b64decode(page.split("data:image/webp;base64,")[1].split('"')[0])
    image = np.asarray(Image.open(io.BytesIO(stored)).convert("RGB")).astype(int)
    assert np.abs(image - noisy).mean() < 4


def test_small_and_damaged_images_stay_as_they_are():
    for text in (png(np.zeros((4, 4, 3), np.uint8)), "AAAA" * 9000, "A" * 30001):
        page = f'<img src="data:image/png;base64,{text}">'
        assert compact(page) == page
