"""Find images of one split that nearly repeat an image of another, such as neighbouring frames of a video."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from helpers.datasets.checking.findings import Finding
from helpers.datasets.dataset import Frame

SIMILAR = 0.75  # cosine similarity; test_duplicates.py measures both sides of it
_THUMBNAIL, _FREQUENCIES = 32, 16
_BLOCK = 256  # rows of the table of similarities that are in memory at once
_DISTANCE = np.hypot(*np.mgrid[:_FREQUENCIES, :_FREQUENCIES]).astype(np.float32)
_FLIP = np.tile((-1.0) ** np.arange(_FREQUENCIES), (_FREQUENCIES, 1)).astype(np.float32).ravel()[1:]


def signature(image: np.ndarray) -> np.ndarray:
    """Return a vector of length 1, float32 (255,), that is nearly the same for nearly the same image.

    These are the low frequencies of the cosine transform of a thumbnail, as in a perceptual hash (pHash), which keeps
    only their signs. Dividing by the typical 1/f spectrum of photos stops the sky above the road from making all
    streets alike. The mean is left out, so brightness and contrast do not matter. A flat image yields zeros.
    `image` is uint8 (H, W, 3) RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < 0.5:  # grey values; only noise is left
        return np.zeros(_FREQUENCIES**2 - 1, dtype=np.float32)
    vector = (cv2.dct(small)[:_FREQUENCIES, :_FREQUENCIES] * _DISTANCE).ravel()[1:]
    return vector / np.linalg.norm(vector)


def find_duplicates(frames: Sequence[Frame], signatures: Sequence[np.ndarray | None]) -> list[Finding]:
    """Return a finding for each frame of val or test that nearly repeats one of an earlier split, mirrored or not."""
    table = np.array([np.zeros(_FLIP.size) if each is None else each for each in signatures], dtype=np.float32)
    splits = np.array([frame.split for frame in frames])
    findings = []
    for split, earlier in (("val", ("train",)), ("test", ("train", "val"))):
        rows, columns = np.flatnonzero(splits == split), np.flatnonzero(np.isin(splits, earlier))
        if not columns.size:
            continue
        for start in range(0, rows.size, _BLOCK):
            block = rows[start : start + _BLOCK]
            plain = table[block] @ table[columns].T
            flipped = (table[block] * _FLIP) @ table[columns].T
            both = np.maximum(plain, flipped)
            nearest = both.argmax(axis=1)
            for at in np.flatnonzero(both.max(axis=1) >= SIMILAR):
                frame, other = frames[block[at]], frames[columns[nearest[at]]]
                mirrored = flipped[at, nearest[at]] > plain[at, nearest[at]]
                findings.append(_finding(frame, other, 1 - both[at, nearest[at]], mirrored))
    return findings


def _finding(frame: Frame, other: Frame, distance: float, mirrored: bool) -> Finding:
    nearly = "is" if distance < 0.005 else "is nearly"
    text = (
        f"{nearly} the {'mirror ' * mirrored}image {other.image.relative_to(frame.dataset.root)} (distance "
        f"{max(0.0, distance):.2f}): move both to the same split, or scores will be too high"
    )
    return Finding("near-duplicate", text, frame.split, frame.image, other.image)
