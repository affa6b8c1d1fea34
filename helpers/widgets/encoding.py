"""Encode images and figures for the browser."""

from __future__ import annotations

import io

import cv2
import numpy as np
from matplotlib.figure import Figure

from helpers.common.errors import CourseError


def encode_image(image: np.ndarray, format: str = "png") -> bytes:
    """Encode a uint8 image (H, W, 3), RGB, as "png" or "jpeg"; raise CourseError if that fails."""
    done, data = cv2.imencode(f".{format}", np.ascontiguousarray(image[..., ::-1]))
    if not done:
        raise CourseError(f"Expected a uint8 image (H, W, 3) to write as {format}, got shape {image.shape}.")
    return data.tobytes()


def encode_figure(figure: Figure, dpi: int = 100) -> bytes:
    """Render a figure as PNG."""
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})  # higher levels take longer
    return written.getvalue()
