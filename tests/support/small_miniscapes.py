"""Sizes of small MiniScapes, and how tests read them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

SMOKE = {"train": 12, "val": 6, "test": 2, "size_hw": (128, 256)}
TINY = {"train": 2, "val": 1, "test": 1, "size_hw": (64, 128)}


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def digest(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def annotations(root: Path, kind: str, split: str = "*") -> list[Path]:
    found = sorted(root.glob(f"gtFine/{split}/*/*_gtFine_{kind}"))
    assert found
    return found
