"""Read files of weights: safetensors, which the course writes, and Paddle's .pdparams. No code in them is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from helpers.common.errors import CourseError
from helpers.common.files import write_bytes
from helpers.models import pickles

SUFFIXES = (".safetensors", ".pdparams")
_AGAIN = "train the network again, or restore the file from a copy"


@dataclass(frozen=True)
class Saved:
    """The content of a file: arrays by the names of the network's state dict, and the classes of the network.

    `num_classes` is None and `class_names` empty if the file does not record them.
    """

    state: dict[str, np.ndarray]
    num_classes: int | None = None
    class_names: tuple[str, ...] = ()


def write(path: str | Path, saved: Saved) -> None:
    """Write `saved` as safetensors, atomically; the same content is the same bytes."""
    metadata = {"format": "paddle"}
    if saved.num_classes:
        metadata["num_classes"] = str(saved.num_classes)
    if saved.class_names:
        metadata["classes"] = json.dumps(saved.class_names, ensure_ascii=False)
    tensors = {name: np.ascontiguousarray(array) for name, array in saved.state.items()}
    write_bytes(path, _ordered(save(tensors, metadata)))


def _ordered(data: bytes) -> bytes:
    """Sort the metadata of a safetensors file, which the library writes in random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[end:]


def read(path: str | Path) -> Saved:
    """Read a file of weights, by its content and not by its suffix.

    Raises CourseError if it is missing, a folder, empty, cut off, a Git-LFS pointer, a web page, or anything else.
    """
    path = Path(path)
    if path.is_dir():
        raise CourseError(f"Expected a file of weights, got the folder {path}: give the file in it.")
    if not path.is_file():
        raise CourseError(f"There are no weights at {path}: train the network first.")
    with open(path, "rb") as file:
        start = file.read(512)
    if start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise CourseError(f"{path} is a web page, not weights: the download failed, fetch the file again.")
    if start[8:9] == b"{" or (path.suffix == ".safetensors" and start and start[:1] != b"\x80"):
        if start.startswith(pickles.LFS):
            raise CourseError(f"{path} is a Git-LFS pointer, not the weights: run `git lfs pull`.")
        return _read_safetensors(path)
    return Saved(pickles.load(path))


def _read_safetensors(path: Path) -> Saved:
    try:
        with safe_open(path, framework="numpy") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:  # the latter: unknown types
        raise CourseError(f"{path} is cut off or not a safetensors file ({error}): {_AGAIN}.") from error
    return Saved(state, *_classes(metadata))


def _classes(metadata: Mapping[str, str]) -> tuple[int | None, tuple[str, ...]]:
    """Return the number and the names of the classes; files of other programs may hold anything under these keys."""
    number = metadata.get("num_classes", "")
    num_classes = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None
    try:
        names = json.loads(metadata.get("classes", "[]"))
    except (ValueError, RecursionError):
        names = []
    valid = isinstance(names, list) and len(names) == num_classes and all(isinstance(name, str) for name in names)
    return num_classes, tuple(names) if valid else ()
