"""Files of checkpoints: tensors as safetensors, everything else as JSON in their metadata. No code in them is executed.

The metadata also holds the SHA-256 of the content, so that a damaged file is recognised.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from helpers.common.files import write_bytes
from helpers.models.pickles import LFS

_FORMAT = "checkpoint"


class Unusable(Exception):
    """A file that is not a complete checkpoint. The message is the predicate of a sentence about the file."""


def write(path: Path, tensors: dict[str, np.ndarray], values: dict[str, Any]) -> None:
    """Write arrays and JSON values, atomically. Raises CourseError if the disk is full."""
    tensors = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    text = json.dumps(values)
    write_bytes(path, save(tensors, {"format": _FORMAT, "values": text, "sha256": _digest(tensors, text)}))


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and values that `write` wrote to `path`. Raises Unusable if they are not complete."""
    if not path.is_file():
        raise Unusable("is not a file")
    with open(path, "rb") as file:
        start = file.read(len(LFS))
    if not start:
        raise Unusable("is damaged (it is empty)")
    if start == LFS:
        raise Unusable("is a Git-LFS pointer, not the checkpoint")
    if start[:1] == b"\x80" and start[8:9] != b"{":  # safetensors: the length of the header in eight bytes, then JSON
        raise Unusable("is a pickle, as older versions of the course wrote")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = file.metadata() or {}
        if about["format"] != _FORMAT or about["sha256"] != _digest(tensors, about["values"]):
            raise Unusable("is damaged (wrong checksum)")
        values = json.loads(about["values"])
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise Unusable(f"is damaged ({error})") from error
    if not isinstance(values, dict):
        raise Unusable("is damaged (it holds no values)")
    return tensors, values


def _digest(tensors: dict[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(tensors.items()):
        digest.update(f"\0{name}\0{array.dtype.str}{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
