"""Small videos, and a labeller that needs no network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from helpers.cityscapes import CITYSCAPES
from helpers.deployment.video import label_video
from helpers.deployment.video_files import VideoReader

FRAMES = 12


def grey_frames(count: int = FRAMES, hw: tuple[int, int] = (64, 128)) -> list[np.ndarray]:
    """Frame i has the grey level 10 * i."""
    return [np.full((*hw, 3), 10 * i, np.uint8) for i in range(count)]


def by_grey(frame: np.ndarray) -> np.ndarray:
    """Class 0 for dark frames, 1 for the others."""
    return (frame[..., 0] > 55).astype(np.uint8)


def write_video(path: Path, frames: list[np.ndarray], rate: float = 10) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def read_video(path: Path) -> list[np.ndarray]:
    return list(VideoReader(path).frames())


def run(source, target, predictor=by_grey, **more):
    return label_video(source, target, predictor, **{"classes": CITYSCAPES, "show": False, **more})
