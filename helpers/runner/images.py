"""Make the images of the report smaller; the executed notebooks keep the originals."""

from __future__ import annotations

import base64
import binascii
import io
import re

SMALL = 20_000  # characters; smaller images stay as they are
QUALITY = 90

_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def compact(page: str) -> str:
    """Return HTML with its large embedded PNG images as WebP, where that is smaller."""
    return _PNG.sub(_as_webp, page)


def _as_webp(match: re.Match[str]) -> str:
    from PIL import Image

    if len(match[1]) < SMALL:
        return match[0]
    target = io.BytesIO()
    try:
        with Image.open(io.BytesIO(base64.b64decode(match[1]))) as image:
            image.save(target, "WEBP", quality=QUALITY)
    except (OSError, ValueError, binascii.Error, Image.DecompressionBombError):
        return match[0]  # whatever a cell has written there; a browser shows it, or not
    encoded = base64.b64encode(target.getvalue()).decode()
    return f"data:image/webp;base64,{encoded}" if len(encoded) < len(match[1]) else match[0]
