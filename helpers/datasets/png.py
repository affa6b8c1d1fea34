"""Read PNG headers, verify checksums and decode pixels.

Follows the PNG specification (W3C, third edition): a signature, the IHDR chunk first, the IEND chunk last, and a CRC-32
after each chunk. Parsing headers directly is faster than an image library, which matters for thousands of files.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"  # length 0, chunk type, CRC
_COLOURS = {0: "grey", 2: "RGB", 3: "paletted", 4: "grey with alpha", 6: "RGB with alpha"}


class PngError(ValueError):
    """A damaged PNG file. The message is the predicate of a sentence whose subject is the file name."""


@dataclass(frozen=True)
class Header:
    """Width and height in pixels, bits per channel, and the colour type defined by the PNG specification."""

    width: int
    height: int
    bits: int
    colour: int

    @property
    def kind(self) -> str:
        """Bit depth and colour type, such as "8-bit grey" or "8-bit paletted"."""
        return f"{self.bits}-bit {_COLOURS.get(self.colour, 'unknown')}"

    @property
    def size(self) -> str:
        """Size as text, "<width> x <height>"."""
        return f"{self.width} x {self.height}"


def read_header(path: Path) -> Header:
    """Read the header of a PNG file and check that the file is complete, from its first 33 and last 12 bytes.

    Raise PngError if it is not a PNG file or is truncated, OSError if it cannot be opened.
    """
    with open(path, "rb") as file:
        start = file.read(33)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(_END)))
        return parse_header(start, file.read())


def parse_header(start: bytes, end: bytes | None = None) -> Header:
    """Parse the header from the first 33 bytes; `end`, if given, must end with the IEND chunk."""
    if not start:
        raise PngError("is empty")
    if start[:8] != SIGNATURE or len(start) < 33 or start[12:16] != b"IHDR":
        raise PngError("is not a PNG file")
    if end is not None and end[-12:] != _END:
        raise PngError("is truncated (no IEND chunk)")
    width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
    return Header(width, height, bits, colour)


def decode(data: np.ndarray, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """Decode a PNG file given as uint8 (bytes,); channels are in OpenCV's order, BGR.

    Raise PngError if it cannot be decoded completely. libpng returns partial pixels of a truncated file, so the IEND
    chunk is checked first.
    """
    parse_header(data[:33].tobytes(), data[-12:].tobytes())
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error:  # more than 2**30 pixels, which a damaged header may state
        pixels = None
    if pixels is None:
        raise PngError("cannot be decoded (damaged data)")
    return pixels


def check_sums(data: bytes) -> None:
    """Raise PngError unless every chunk is complete and matches its CRC-32."""
    view, at = memoryview(data), 8
    while at < len(data):
        if at + 12 > len(data):
            raise PngError("is truncated")
        length = int.from_bytes(view[at : at + 4], "big")
        body, stated = view[at + 4 : at + 8 + length], view[at + 8 + length : at + 12 + length]
        if len(stated) < 4 or zlib.crc32(body) != int.from_bytes(stated, "big"):
            raise PngError(f"is damaged (wrong checksum in the chunk at byte {at})")
        at += 12 + length
