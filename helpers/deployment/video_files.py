"""Read and write videos: files that OpenCV decodes and encodes, and folders of images."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from helpers.common.errors import CourseError
from helpers.common.os_errors import readable
from helpers.datasets.pictures import SUFFIXES, encode_picture, read_picture

VIDEOS = (".mp4", ".avi")
CODEC = "mp4v"  # MPEG-4 part 2: H.264 is missing in OpenCV's wheels, for its licence
RATE = 17.0  # frames a second of a folder: those of Cityscapes
SPARE = 2**20  # bytes that have to remain free on the disk of the result


class VideoReader:
    """The frames of a video file, or of a folder of images in natural order (frame2 before frame10).

    `rate`: frames a second. `announced`: the number of frames in the file's header, 0 if it has none, or of images.
    Raises CourseError if `source` does not exist, is not a video, holds no image, or is a file whose path is not UTF-8.
    """

    def __init__(self, source: str | Path):
        self.source = Path(source)
        self._capture: cv2.VideoCapture | None = None
        self._images: list[Path] = []
        self.rate = RATE
        if self.source.is_dir():
            found = [path for path in self.source.iterdir() if path.suffix.lower() in SUFFIXES]
            self._images = sorted((each for each in found if not each.name.startswith(".")), key=natural)
            self.announced = len(self._images)
            if not self._images:
                raise CourseError(f"Expected a folder of frames, got none in {readable(source)}: add PNG files.")
            return
        if not self.source.is_file():
            raise CourseError(f"There is no video {readable(source)}: give a file or a folder of frames.")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # damage is reported below, in one sentence
        try:
            self._capture = cv2.VideoCapture(_for_ffmpeg(self.source), cv2.CAP_FFMPEG)
        except cv2.error:
            self._capture = None
        if self._capture is None or not self._capture.isOpened():
            raise CourseError(
                f"Expected a video, got {readable(source)}, which cannot be decoded: it is damaged or in another "
                "format, so copy it again or convert it to .mp4."
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # turn the frames of a phone upright
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 1 <= rate <= 240 else 25.0  # the header may hold nonsense
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.announced = int(count) if 0 < count < 2**31 else 0

    def frames(self, limit: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames as uint8 RGB (H, W, 3), upright, at most `limit` of them.

        Raises CourseError at a frame that cannot be read, if there is none, and at the end of a video that is shorter
        than its header says by more than 2 frames and 5 %.
        """
        number = 0
        for frame in self._images_of() if self._capture is None else self._decoded():
            yield frame
            number += 1
            if number == limit:
                return
        name, missing = readable(self.source), self.announced - number
        if not number:
            raise CourseError(f"Expected a video with frames, got {name} without any: it is damaged, so copy it again.")
        if missing > max(2, self.announced // 20):
            raise CourseError(
                f"Expected {self.announced} frames in {name}, got {number}: its end is damaged, so copy it again, or "
                f"read what there is with a limit of {number} frames."
            )

    def _images_of(self) -> Iterator[np.ndarray]:
        return map(read_picture, self._images)

    def _decoded(self) -> Iterator[np.ndarray]:
        while True:
            done, frame = self._capture.read()
            if not done:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Close the file."""
        if self._capture is not None:
            self._capture.release()


def _for_ffmpeg(path: Path) -> str:
    """Return an absolute path, since FFmpeg takes `12:30.mp4` for an address; raise CourseError unless it is UTF-8."""
    name = str(path.absolute())
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # OpenCV crashes
        raise CourseError(
            f"Expected the path of a video in UTF-8, got {readable(path.name)}: rename it or its folder."
        ) from None
    return name


def natural(path: Path) -> list[tuple[bool, int, str]]:
    """Return a sorting key by which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


class VideoWriter:
    """Writes frames to a video file (.mp4 or .avi), or to PNG files in a folder, if `path` has no suffix.

    A video has one size, the first frame's, in even numbers: an odd row or column is repeated, and frames of another
    size are scaled. PNG files keep their sizes. Raises CourseError if the codec is missing or `path` is not UTF-8.
    """

    def __init__(self, path: Path, rate: float):
        self.path, self.rate, self.frames = path, rate, 0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        if not path.suffix:
            path.mkdir()

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, uint8 RGB (H, W, 3). Raises OSError if the disk is full."""
        # OpenCV's writer reports neither a full disk nor any other error.
        if shutil.disk_usage(self.path.parent).free < SPARE + frame.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.frames += 1
        if not self.path.suffix:
            (self.path / f"{self.frames:06d}.png").write_bytes(encode_picture(frame))
            return
        if self._writer is None:
            self._open(frame)
        width, height = self._size
        if (-(-frame.shape[1] // 2) * 2, -(-frame.shape[0] // 2) * 2) != self._size:
            frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        rows, columns = height - frame.shape[0], width - frame.shape[1]
        if rows or columns:
            frame = cv2.copyMakeBorder(frame, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def _open(self, frame: np.ndarray) -> None:
        height, width = frame.shape[:2]
        self._size = -(-width // 2) * 2, -(-height // 2) * 2
        code = cv2.VideoWriter_fourcc(*CODEC)
        self._writer = cv2.VideoWriter(_for_ffmpeg(self.path), cv2.CAP_FFMPEG, code, self.rate, self._size)
        if not self._writer.isOpened():
            raise CourseError(
                f"This OpenCV cannot encode {width}x{height} pixels with codec {CODEC} in {self.path.suffix} files: "
                "give the name of a folder instead, for PNG files."
            )

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def check(self) -> None:
        """Raise CourseError unless the finished file holds all frames that were written."""
        if not self.path.suffix:
            return
        capture = cv2.VideoCapture(_for_ffmpeg(self.path), cv2.CAP_FFMPEG)
        found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if found != self.frames:
            raise CourseError(
                f"Only {max(0, found)} of {self.frames} frames of {self.path.name} could be written: check the space "
                "on its disk, and `ulimit -f`."
            )
