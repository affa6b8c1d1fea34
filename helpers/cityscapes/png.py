"""PNG files as far as this course needs them: header, completeness, checksums, decoding.

Written against the PNG specification (W3C, third edition): the signature, the IHDR chunk first, IEND last, a CRC-32
after each chunk. The headers of thousands of files are read here without a picture library, which would take longer.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"  # length 0, name, CRC
_COLOURS = {0: "grey", 2: "RGB", 3: "paletted", 4: "grey with alpha", 6: "RGB with alpha"}


class BadPicture(ValueError):
    """What is wrong with a picture file, as the end of a sentence that begins with the file's name."""


@dataclass(frozen=True)
class Header:
    """Size in pixels, bits per channel, colour type of the PNG specification."""

    width: int
    height: int
    bits: int
    colour: int

    @property
    def kind(self) -> str:
        """Such as "8-bit grey" or "8-bit paletted"."""
        return f"{self.bits}-bit {_COLOURS.get(self.colour, 'unknown')}"

    @property
    def size(self) -> str:
        """Width x height, as people say it."""
        return f"{self.width} x {self.height}"


def read_header(path: Path) -> Header:
    """The header of a PNG file that ends as it should.

    Raises BadPicture when it is no PNG or was cut off, OSError when it cannot be opened. Reads 45 bytes.
    """
    with open(path, "rb") as file:
        start = file.read(33)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(_END)))
        return parse_header(start, file.read())


def parse_header(start: bytes, end: bytes | None = None) -> Header:
    """The header from the first 33 bytes; the last 12 bytes, when given, must be the end mark."""
    if not start:
        raise BadPicture("is empty")
    if start[:8] != SIGNATURE or len(start) < 33 or start[12:16] != b"IHDR":
        raise BadPicture("is no PNG file")
    if end is not None and end[-12:] != _END:
        raise BadPicture("was cut off: it has no end mark")
    width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
    return Header(width, height, bits, colour)


def decode(data: np.ndarray, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """The pixels of the PNG file `data`, uint8 (bytes,); channels in OpenCV's order, BGR.

    Raises BadPicture when it cannot be decoded whole. libpng hands out what it has of a file that was cut off, so
    the end mark is asked for first.
    """
    parse_header(data[:33].tobytes(), data[-12:].tobytes())
    pixels = cv2.imdecode(data, flags)
    if pixels is None:
        raise BadPicture("cannot be decoded: its data is damaged")
    return pixels


def check_sums(data: bytes) -> None:
    """Raises BadPicture unless every chunk is whole and has the CRC-32 that the file states."""
    view, at = memoryview(data), 8
    while at < len(data):
        if at + 12 > len(data):
            raise BadPicture("was cut off")
        length = int.from_bytes(view[at : at + 4], "big")
        body, stated = view[at + 4 : at + 8 + length], view[at + 8 + length : at + 12 + length]
        if len(stated) < 4 or zlib.crc32(body) != int.from_bytes(stated, "big"):
            raise BadPicture(f"is damaged: wrong checksum {at} bytes in")
        at += 12 + length
