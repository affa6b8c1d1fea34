"""A drive: the camera moves through one street, frame by frame, as in a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2

from helpers.cityscapes.frames import layout
from helpers.common.errors import CourseError
from helpers.common.files import atomic_path
from helpers.common.parallel import in_processes
from helpers.miniscapes.cities import SPLITS, FramePlan
from helpers.miniscapes.light import WEATHERS
from helpers.miniscapes.render import arrange, paint
from helpers.miniscapes.write import check_arguments, save_frame

STEP_M = 0.5  # a frame: 30 km/h at the 17 frames a second of Cityscapes
MOST_M = 60.0  # then the end of the street comes close
SPLIT = "val"
# Neither what rides ahead of the camera at another speed nor walls, whose texture is fixed to their visible part.
WANTED = frozenset({"car", "person", "bicycle", "traffic sign", "terrain"})

Job = tuple[FramePlan, int, float, int, tuple[int, int], str]


def drive(
    folder: str | Path,
    frames: int = 24,
    size_hw: tuple[int, int] = (256, 512),
    seed: int = 0,
    *,
    step_m: float = STEP_M,
    weather: str = "",
    workers: int | None = None,
) -> Path:
    """Generate a drive through one street with all labels of MiniScapes, and return its folder.

    The folder is a data set in the layout of Cityscapes with the one split val, whose frames are in the order of the
    drive: `open_dataset(folder).frames("val")`. The images lie in `images(folder)`, a folder that `python -m
    helpers.deployment video` takes. The cars in the lane of the camera drive as fast as it; all else stands still.
    Everything has the haze of its distance in the first frame.

    Parameters
    ----------
    folder : path
        Target, which must not exist.
    frames : int, default 24
        Number of frames.
    size_hw : tuple of int, default (256, 512)
        Height and width in pixels, multiples of 32.
    seed : int, default 0
        Each seed shows another street.
    step_m : float, default STEP_M
        Metres from frame to frame; 0 yields frames that differ in the noise of the sensor only.
    weather : str, optional
        A name from `light.WEATHERS`; by default one of the city's.
    workers : int, optional
        Number of processes; by default one per core, if that is faster.

    Raises
    ------
    CourseError
        If an argument is invalid, the drive is longer than MOST_M, `folder` exists, or writing fails.
    """
    folder = Path(folder)
    size_hw = check_arguments({"frames": frames}, size_hw, seed, workers)
    if not 0 <= step_m * (frames - 1) <= MOST_M:
        raise CourseError(
            f"Expected a drive of at most {MOST_M:.0f} m, got {frames} frames of {step_m} m: take fewer "
            "or shorter steps."
        )
    if weather and weather not in WEATHERS:
        raise CourseError(f"Expected a weather of {', '.join(WEATHERS)}, got {weather!r}: choose one of them.")
    if folder.exists():
        raise CourseError(f"{folder} exists already: remove it, or choose another folder.")
    plan, attempt = _street(seed, size_hw, weather)
    with atomic_path(folder) as temporary:
        jobs = [(plan, attempt, step_m, number, size_hw, str(temporary)) for number in range(frames)]
        for _ in in_processes(_write, jobs, workers=workers, chunk=1, desc="drive"):
            pass
        replace(layout(temporary), name="MiniScapes drive").save()
    return folder


def images(folder: str | Path) -> Path:
    """Return the folder of a drive's images, whose names are in the order of the drive."""
    return next(Path(folder).glob(f"leftImg8bit/{SPLIT}/*"))


def _street(seed: int, size_hw: tuple[int, int], weather: str) -> tuple[FramePlan, int]:
    """Return a street without a junction, where people would cross in front of the camera."""
    cities = SPLITS[SPLIT]
    city = cities[seed % len(cities)]
    street = ("suburb", "downtown")[seed // len(cities) % 2]
    plan = FramePlan(SPLIT, city, 0, weather or city.weathers[seed % 2], street, WANTED, seed)
    return plan, next(each for each in count() if arrange(plan, size_hw, each)[0].road.junction is None)


def _write(jobs: Sequence[Job]) -> None:
    for plan, attempt, step_m, number, size_hw, folder in jobs:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            scene, _ = arrange(plan, size_hw, attempt, step_m * number)
            image, annotation, _ = paint(scene, size_hw, plan.rng(777, number))
        finally:
            cv2.setNumThreads(threads)
        # As in the snippets of Cityscapes: city, snippet, frame.
        save_frame(folder, plan.split, plan.city.name, f"{plan.city.name}_000000_{number:06d}", image, annotation)
