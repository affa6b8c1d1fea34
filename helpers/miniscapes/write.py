"""Write the data set atomically, with the official folders, names, converters and list files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage

from helpers.cityscapes.frames import layout, new_frame
from helpers.cityscapes.lists import write_lists
from helpers.common.errors import CourseError
from helpers.common.files import atomic_path, read_json, write_json
from helpers.common.parallel import in_processes
from helpers.datasets.dataset import DESCRIPTION
from helpers.miniscapes.cities import FramePlan, plan
from helpers.miniscapes.light import WEATHERS
from helpers.miniscapes.render import render

VERSION = 8  # of the generator: increase it when the same specification yields other bytes
MARKER = "miniscapes.json"
MOST_FRAMES = 20000  # per split; Cityscapes has 2,975 + 500 + 1,525


def write_frame(job: tuple[FramePlan, tuple[int, int], str]) -> str:
    """Write the files of one frame and return its stem. job: (frame, size_hw, folder).

    The polygons are written first. The official converters read them and create the four label images. Test frames
    have only an image, as in the official download.
    """
    frame, size_hw, folder = job
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        image, annotation, _ = render(frame, size_hw)
    finally:
        cv2.setNumThreads(threads)
    save_frame(folder, frame.split, frame.city.name, frame.stem, image, annotation)
    return frame.stem


def save_frame(folder: str | Path, split: str, city: str, stem: str, image: np.ndarray, annotation: dict) -> None:
    """Write an image, uint8 RGB (H, W, 3), its annotation and, except for the split test, all label images."""
    files = new_frame(folder, split, city, stem)
    # Noise has no repetitions to find: entropy coding alone is faster and yields the same size.
    done, png = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_STRATEGY,
                                                        cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY])
    if not done:
        raise OSError(f"OpenCV could not encode {files.image.name}")
    files.image.parent.mkdir(parents=True, exist_ok=True)
    files.image.write_bytes(png.tobytes())
    if split == "test":
        return
    polygons = files.annotation("polygons")
    polygons.parent.mkdir(parents=True, exist_ok=True)
    polygons.write_text(json.dumps(annotation) + "\n", encoding="utf-8")
    read = Annotation()
    read.fromJsonFile(str(polygons))
    for kind, encoding in (("labelIds", "ids"), ("labelTrainIds", "trainIds"), ("color", "color")):
        createLabelImage(read, encoding).save(files.annotation(kind), compress_level=1)
    createInstanceImage(read, "ids").save(files.annotation("instanceIds"), compress_level=1)


def _write_frames(jobs: Sequence[tuple[FramePlan, tuple[int, int], str]]) -> None:
    for job in jobs:
        write_frame(job)


def check_arguments(counts: dict[str, int], size_hw, seed, workers) -> tuple[int, int]:
    """Raise CourseError for invalid arguments; return the size as a pair of ints."""
    for split, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_FRAMES:
            raise CourseError(f"MiniScapes needs {split} as a whole number of frames from 1 to {MOST_FRAMES}, "
                              f"got {count!r}.")
    try:
        height, width = (int(v) for v in size_hw)
        exact = [height, width] == list(size_hw)
    except (TypeError, ValueError):
        exact = False
    if not exact or height % 32 or width % 32 or not (64 <= height <= width <= 4 * height and 128 <= width <= 4096):
        raise CourseError("MiniScapes needs size_hw as (height, width) in multiples of 32, from (64, 128) up, the "
                          f"width one to four times the height and at most 4096, such as (256, 512); got {size_hw!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise CourseError(f"MiniScapes needs a seed that is a whole number from 0 up, got {seed!r}.")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise CourseError(f"MiniScapes needs workers as a whole number from 1 up, or None; got {workers!r}.")
    return height, width


def _exists(root: Path, spec: dict) -> bool:
    """Return whether `root` already contains this data set; raise CourseError if it contains anything else."""
    marker = root / MARKER
    if marker.is_file():
        try:
            found = read_json(marker)
        except ValueError as error:
            raise CourseError(f"{marker} is not valid JSON: delete {root} to generate it again, or choose another "
                              "folder.") from error
        if found == spec:
            return True
        other = [f"{k} {found.get(k) if isinstance(found, dict) else None!r} instead of {v!r}"
                 for k, v in {"weathers": None, **spec}.items()
                 if not isinstance(found, dict) or found.get(k) != v]
        raise CourseError(f"{root} contains another MiniScapes data set ({', '.join(other)}): delete that folder to "
                          "generate it again, or choose another one.")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CourseError(f"{root} exists but is not a MiniScapes data set (it has no {MARKER}): choose an empty or a "
                          "new folder.")
    return False


def generate(root: str | Path, *, train: int = 96, val: int = 24, test: int = 8, size_hw: tuple[int, int] = (256, 512),
             seed: int = 0, weathers: tuple[str, ...] = (), workers: int | None = None) -> Path:
    """Generate the MiniScapes data set in `root`, unless `root` already contains it, and return `root`.

    The data set is written to a temporary folder next to `root` and renamed when complete. `miniscapes.json` in it
    states its specification. Raise CourseError if an argument is invalid, `root` contains anything else (which is
    kept), or writing fails.

    Parameters
    ----------
    root : path
        Target folder; missing parents are created.
    train, val, test : int, default 96, 24, 8
        Number of frames per split; test frames have no labels.
    size_hw : tuple of int, default (256, 512)
        Height and width of a frame in pixels, multiples of 32; the same seed shows the same streets at every size.
    seed : int, default 0
        The same seed yields the same bytes for any number of workers.
    weathers : tuple of str, optional
        Cycle of weathers of every city, from `light.WEATHERS`, such as ("night", "rain"); by default its own.
    workers : int, optional
        Number of processes; None uses one per core.
    """
    root = Path(root)
    counts = {"train": train, "val": val, "test": test}
    size_hw = check_arguments(counts, size_hw, seed, workers)
    unknown = [name for name in weathers if name not in WEATHERS]
    if unknown or isinstance(weathers, str):
        raise CourseError(f"MiniScapes needs weathers as a tuple of {', '.join(WEATHERS)}; got {weathers!r}.")
    spec = {"kind": "MiniScapes", "version": VERSION, **counts, "size_hw": list(size_hw), "seed": seed}
    if weathers:
        spec["weathers"] = list(weathers)
    if _exists(root, spec):
        if not (root / DESCRIPTION).is_file():  # written by an earlier version
            with suppress(CourseError):  # read-only: it is opened by its layout
                _describe(root)
        return root
    frames = [frame for split, count in counts.items() for frame in plan(split, count, seed, tuple(weathers))]
    try:
        with atomic_path(root) as folder:
            jobs = [(frame, size_hw, str(folder)) for frame in frames]
            desc = f"MiniScapes, {size_hw[1]}x{size_hw[0]}"
            for _ in in_processes(_write_frames, jobs, workers=workers, chunk=1, desc=desc):
                pass
            write_lists(folder)
            _describe(folder)
            write_json(folder / MARKER, spec)
    except CourseError:
        if not _same(root, spec):  # else another process finished the same data set first
            raise
    return root


def _describe(root: Path) -> None:
    replace(layout(root), name="MiniScapes").save()


def _same(root: Path, spec: dict) -> bool:
    try:
        return read_json(root / MARKER) == spec
    except (OSError, ValueError):
        return False
