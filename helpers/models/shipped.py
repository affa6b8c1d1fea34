"""The trained weights in `weights/`: write, verify and read them.

One safetensors file per network: convolutions as int8 with a float32 scale per output channel, `NAME` and
`NAME.scale`; everything else as float32. `SHA256SUMS` holds the checksum of each file, as `sha256sum` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, write_bytes, write_text
from helpers.models.cards import Card
from helpers.models.pickles import LFS
from helpers.models.weight_files import Saved

FOLDER = PROJECT / "weights"
SUMS = "SHA256SUMS"
_SCALE = ".scale"


def cards(folder: str | Path | None = None) -> dict[str, Card]:
    """Return the model card of each network in `folder` (default: FOLDER) by name, the most expensive first."""
    paths = [path for path in Path(folder or FOLDER).glob("*.json") if not path.name.endswith(".plan.json")]
    found = sorted((Card.load(path) for path in paths), key=lambda card: -card.gmacs)
    return {card.name: card for card in found}


def weights_path(name: str, folder: str | Path | None = None) -> Path:
    """Path of the weights `name`."""
    return Path(folder or FOLDER) / f"{name}.safetensors"


def card_path(name: str, folder: str | Path | None = None) -> Path:
    """Path of the model card of the weights `name`."""
    return Path(folder or FOLDER) / f"{name}.json"


def plan_path(name: str, folder: str | Path | None = None) -> Path:
    """Path of the pruning plan that the weights `name` belong to."""
    return Path(folder or FOLDER) / f"{name}.plan.json"


def pack(
    card: Card, state: Mapping[str, np.ndarray], folder: str | Path | None = None, plan: str | None = None
) -> None:
    """Write weights, card and checksums into `folder`.

    `state`: float arrays by the names of the network's state dict. `plan`: the JSON of the pruning plan, for a pruned
    network.
    """
    folder = Path(folder or FOLDER)
    tensors: dict[str, np.ndarray] = {}
    for name, array in state.items():
        if array.ndim == 4:
            tensors[name], tensors[name + _SCALE] = quantise(array)
        else:
            tensors[name] = np.ascontiguousarray(array, np.float32)
    content = save(tensors, {"convolutions": "int8, float32 scale per output channel"})
    write_bytes(weights_path(card.name, folder), content)
    written = [weights_path(card.name, folder)]
    if plan is not None:
        write_text(plan_path(card.name, folder), plan)
        written.append(plan_path(card.name, folder))
    card.save(folder)
    sums = _sums(folder) if (folder / SUMS).is_file() else {}
    sums.update({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written})
    write_text(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))


def quantise(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round a convolution (O, I, kH, kW) to int8 of the same shape and a float32 scale (O,) per output channel."""
    weight = weight.astype(np.float32)
    largest = np.abs(weight).max(axis=(1, 2, 3))
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.round(weight / scale[:, None, None, None]).astype(np.int8), scale


def read(name: str, folder: str | Path | None = None) -> Saved:
    """Return the weights `name`, float32 arrays by the names of the network's state dict, and their classes.

    Raises CourseError if the file is missing, a Git-LFS pointer, or does not match its checksum.
    """
    tensors = load(verified(weights_path(name, folder)))
    scales = {key: tensors.pop(key) for key in list(tensors) if key.endswith(_SCALE)}
    state = {
        key: array * scales[key + _SCALE][:, None, None, None] if key + _SCALE in scales else array
        for key, array in tensors.items()
    }
    classes = Card.load(card_path(name, folder)).classes
    return Saved(state, len(classes), classes)


def verified(path: Path) -> bytes:
    """Return the content of a file next to SHA256SUMS. Raises CourseError if it does not match its checksum there."""
    restore = f"restore it with `git checkout -- {path.parent.name}`"
    if not path.is_file():
        raise CourseError(f"{path} is missing: {restore}.")
    content = path.read_bytes()
    if content.startswith(LFS):
        raise CourseError(f"{path} is a Git-LFS pointer, not the file itself: run `git lfs pull`.")
    expected, found = _sums(path.parent).get(path.name), hashlib.sha256(content).hexdigest()
    if expected is None:
        raise CourseError(f"{path} has no checksum in {SUMS}: write it with `helpers.models.shipped.pack`.")
    if found != expected:
        raise CourseError(
            f"{path} is damaged ({len(content)} bytes, SHA-256 {found[:12]}…, expected {expected[:12]}…): {restore}."
        )
    return content


def _sums(folder: Path) -> dict[str, str]:
    path = folder / SUMS
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        return {name: digest for digest, name in lines}
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} is missing or damaged: restore it with `git checkout -- {folder.name}`.") from error
