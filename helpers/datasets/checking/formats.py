"""Diagnose label files of the wrong format: colours, 16 bits, transparency, JPEG."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from helpers.datasets import png
from helpers.datasets.checking.findings import Finding
from helpers.datasets.dataset import Frame

_MASK_COLOURS = 256  # a mask in colours has one per class; a photo has thousands


def check_format(frame: Frame, data: np.ndarray) -> Finding | None:
    """Return a finding if a label file, uint8 (bytes,), is not an 8-bit grey or a paletted PNG, else None."""

    def finding(kind: str, text: str) -> Finding:
        return Finding(kind, text, frame.split, frame.label)

    if not data.size:
        return finding("empty-file", "is empty: copy or download it again")
    try:
        header = png.parse_header(data[:33].tobytes())
    except png.PngError:
        return finding(*_not_png(data))
    if header.kind.endswith("paletted") or header.kind == "8-bit grey":
        return None
    if header.bits == 16:
        return finding("deep-label", f"is {header.kind}: {_deep_cure(data)}")
    if header.kind == "8-bit RGB":
        return finding("colour-label", _describe_colours(frame, data))
    if header.kind.endswith("with alpha"):
        colours = "" if header.kind.startswith("8-bit grey") else " and colours"
        return finding(
            "alpha-label", f"is {header.kind}: save it without transparency{colours}, as one channel of class values"
        )
    return finding("label-format", f"is {header.kind}: save it as 8-bit grey, with the value of its class per pixel")


def _not_png(data: np.ndarray) -> tuple[str, str]:
    try:
        kind = Image.open(io.BytesIO(data.tobytes())).format
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return "damaged-file", "is not an image: copy or download it again, or export it as PNG"
    if kind == "JPEG":
        return "jpeg-label", "is a JPEG file, whose compression changes values: export it again as PNG"
    return "label-format", f"is a {kind} file: save it as an 8-bit grey or paletted PNG"


def _deep_cure(data: np.ndarray) -> str:
    try:
        largest = png.decode(data).max()
    except png.PngError:
        return "export a mask of classes with 8 bits; this one is damaged"
    if largest <= 255:
        return f"save it with 8 bits, since its largest value is {largest}"
    return f"it may hold instance ids or depths up to {largest}; export a mask of classes with 8 bits"


def _describe_colours(frame: Frame, data: np.ndarray) -> str:
    try:
        pixels = png.decode(data, cv2.IMREAD_COLOR)
    except png.PngError:
        return "is 8-bit RGB and damaged: export it again as an 8-bit grey PNG"
    packed = pixels.reshape(-1, 3)[:, ::-1].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    colours = np.unique(packed)
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 1], pixels[..., 2]):
        return "has three equal channels: save one of them as 8-bit grey"
    if colours.size > _MASK_COLOURS:
        return f"is a photo or a picture with {colours.size} colours, not a mask: check which folder holds the labels"
    palette = {int(red) << 16 | int(green) << 8 | int(blue) for red, green, blue in frame.dataset.classes.palette}
    known = len(palette & set(colours.tolist()))
    table = f", {known} of them those of dataset.toml" if known else ""
    return (
        f"shows classes as colours ({colours.size} colours{table}): convert it to class values with "
        "`python -m helpers.datasets import`"
    )
