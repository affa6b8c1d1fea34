"""Writing the data set: official folders, names, converters and list files; whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage

from helpers.common.errors import CourseError
from helpers.common.files import atomic_path, read_json, write_json
from helpers.common.progress import progress
from helpers.miniscapes.cities import FramePlan, plan
from helpers.miniscapes.render import render

VERSION = 8  # of the generator: raise it whenever the same specification gives other bytes
MARKER = "miniscapes.json"
MOST_FRAMES = 20000  # a split; Cityscapes has 2,975 + 500 + 1,525


def image_path(frame: FramePlan) -> str:
    return f"leftImg8bit/{frame.split}/{frame.city.name}/{frame.stem}_leftImg8bit.png"


def label_path(frame: FramePlan, kind: str) -> str:
    suffix = "json" if kind == "polygons" else "png"
    return f"gtFine/{frame.split}/{frame.city.name}/{frame.stem}_gtFine_{kind}.{suffix}"


def write_frame(job: tuple[FramePlan, tuple[int, int], str]) -> str:
    """Makes one frame's files under a folder. job: (frame, size_hw, folder). Returns the frame's stem.

    The polygons file is written first and read back by the official converters, so the four label pictures are what
    cityscapesScripts makes of it. Frames of test get a picture only, as in the benchmark's own download.
    """
    frame, size_hw, folder = job
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        image, annotation, _ = render(frame, size_hw)
    finally:
        cv2.setNumThreads(threads)
    root = Path(folder)
    # Noise does not repeat, so looking for repetitions only costs time: entropy coding alone gives the same size.
    done, png = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_STRATEGY,
                                                        cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY])
    if not done:
        raise OSError(f"OpenCV could not encode {image_path(frame)}")
    (root / image_path(frame)).write_bytes(png.tobytes())
    if frame.split == "test":
        return frame.stem
    polygons = root / label_path(frame, "polygons")
    polygons.write_text(json.dumps(annotation) + "\n", encoding="utf-8")
    read = Annotation()
    read.fromJsonFile(str(polygons))
    for kind, encoding in (("labelIds", "ids"), ("labelTrainIds", "trainIds"), ("color", "color")):
        createLabelImage(read, encoding).save(root / label_path(frame, kind), compress_level=1)
    createInstanceImage(read, "ids").save(root / label_path(frame, "instanceIds"), compress_level=1)
    return frame.stem


def _run(jobs: list, workers: int) -> Iterator[str]:
    """FramePlan by frame here, or spread over fresh processes (spawned: forking when Paddle has threads can hang)."""
    if workers <= 1 or len(jobs) < 4:
        yield from map(write_frame, jobs)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(write_frame, jobs, chunksize=1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def check_request(root: Path, counts: dict[str, int], size_hw, seed, workers) -> tuple[int, int]:
    """One sentence for whatever cannot be generated; returns the size as a pair of ints."""
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


def _standing(root: Path, spec: dict) -> bool:
    """Whether this very set is there already; a sentence when something else is."""
    marker = root / MARKER
    if marker.is_file():
        try:
            found = read_json(marker)
        except ValueError as error:
            raise CourseError(f"{marker} is not readable as JSON: delete {root} to make it anew, or name another "
                              "folder.") from error
        if found == spec:
            return True
        other = [f"{k} {found.get(k) if isinstance(found, dict) else None!r} instead of {v!r}" for k, v in spec.items()
                 if not isinstance(found, dict) or found.get(k) != v]
        raise CourseError(f"{root} holds another MiniScapes set ({', '.join(other)}): delete that folder to make it "
                          "anew, or name another one.")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CourseError(f"{root} exists and is no MiniScapes set (it has no {MARKER}), so nothing is written there: "
                          "name an empty or a new folder.")
    return False


def generate(root: str | Path, *, train: int = 96, val: int = 24, test: int = 8, size_hw: tuple[int, int] = (256, 512),
             seed: int = 0, workers: int | None = None) -> Path:
    """Makes the MiniScapes data set in a folder, or returns the folder at once when the same set stands there.

    root: the folder to make; its parents are made too. train, val, test: frames per split, test without labels.
    size_hw: height and width in pixels, multiples of 32; the same seed shows the same streets at every size.
    seed: equal seeds give equal bytes, for any number of workers (processes; None: one per core).
    Everything is built in a temporary folder beside root and renamed when it is complete; `miniscapes.json` in it tells
    what it is. Raises CourseError for arguments that cannot be met, and when root holds something else, which stays.
    """
    root = Path(root)
    counts = {"train": train, "val": val, "test": test}
    size_hw = check_request(root, counts, size_hw, seed, workers)
    spec = {"kind": "MiniScapes", "version": VERSION, **counts, "size_hw": list(size_hw), "seed": seed}
    if _standing(root, spec):
        return root
    frames = [frame for split, count in counts.items() for frame in plan(split, count, seed)]
    try:
        with atomic_path(root) as folder:
            for frame in frames:
                (folder / image_path(frame)).parent.mkdir(parents=True, exist_ok=True)
                if frame.split != "test":
                    (folder / label_path(frame, "color")).parent.mkdir(parents=True, exist_ok=True)
            jobs = [(frame, size_hw, str(folder)) for frame in frames]
            cores = workers or len(os.sched_getaffinity(0))
            for _ in progress(_run(jobs, cores), total=len(jobs), desc=f"MiniScapes, {size_hw[1]}x{size_hw[0]}",
                              unit="frame"):
                pass
            _write_lists(folder, frames)
            write_json(folder / MARKER, spec)
    except OSError as error:
        if _same(root, spec):  # someone else finished the same set first
            return root
        raise CourseError(f"MiniScapes could not be written to {root} ({error.strerror or error}): make room or name "
                          "another folder; nothing half-made was left behind.") from error
    return root


def _same(root: Path, spec: dict) -> bool:
    try:
        return read_json(root / MARKER) == spec
    except (OSError, ValueError):
        return False


def _write_lists(folder: Path, frames: list[FramePlan]) -> None:
    """The lists that PaddleSeg reads: train, val and trainval name image and labels, test and infer images only."""

    def lines(*splits):
        return [f"{image_path(f)} {label_path(f, 'labelTrainIds')}" for f in frames if f.split in splits]

    images = [image_path(f) for f in frames if f.split == "test"]
    for name, rows in (("train", lines("train")), ("val", lines("val")), ("trainval", lines("train", "val")),
                       ("test", images), ("infer", images)):
        (folder / f"{name}.list").write_text("\n".join(rows) + "\n", encoding="utf-8")
