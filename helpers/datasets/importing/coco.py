"""Read COCO annotations: polygons and run lengths (RLE)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as official

from helpers.datasets.importing.items import (
    NOTHING,
    Drawn,
    Item,
    Key,
    Skipped,
    Source,
    Unusable,
    clean_name,
    is_image,
    load_json,
    walk,
)
from helpers.datasets.importing.naming import split_name, split_of
from helpers.datasets.importing.shapes import FARTHEST, as_points, check_size

# Five bits a character; bit 6 says that more follow. pycocotools reads beyond the end of text that ends in such a bit.
_COMPRESSED = re.compile(r"(?:[P-o]{0,6}[0-O])*")


@dataclass(frozen=True)
class Coco:
    """The annotations of one image: (class, segmentation, iscrowd, area)."""

    file: Path
    size: tuple[Any, Any]
    shapes: tuple[tuple[str, Any, bool, float], ...]

    def draw(self, height: int, width: int, orientation: int = 1) -> Drawn:
        """Draw crowds first, then large objects, then small ones, since COCO does not say which is in front."""
        check_size(self.size, height, width)
        keys, pixels = {NOTHING: 0}, np.zeros((height, width), dtype=np.uint16)
        notes: Counter[str] = Counter()
        for name, segmentation, _, _ in sorted(self.shapes, key=lambda shape: (not shape[2], -shape[3])):
            position = keys.setdefault(Key(name=name), len(keys))
            for inside in _regions(segmentation, height, width, notes):
                pixels[inside] = position
        return Drawn(tuple(keys), pixels, tuple(f"{text}: {count}" for text, count in sorted(notes.items())))


def is_coco(content: Any) -> bool:
    """Return whether a JSON value looks like COCO annotations."""
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations", "categories")
    )


def read(source: Path, images: Path | None = None) -> Source:
    """List the images of all COCO files in a folder, or of one file."""
    found = Source("COCO", [])
    root = source if source.is_dir() else source.parent.parent if source.parent.name == "annotations" else source.parent
    pictures: dict[str, list[Path]] = {}
    for path in walk(images or root):
        if is_image(path):
            pictures.setdefault(path.name, []).append(path)
    taken: dict[Path, Path] = {}
    names: dict[str, None] = {}
    for path in [source] if source.is_file() else [each for each in walk(source) if each.suffix.lower() == ".json"]:
        try:
            content = load_json(path)
            if not is_coco(content):
                raise Unusable("is not a COCO file: it lacks the lists images, annotations and categories")
            _read_file(path, content, root, images, pictures, taken, names, found)
        except Unusable as error:
            found.skipped.append(Skipped(str(path), str(error)))
    if not taken and found.skipped:
        return found
    listed = {path.resolve() for path in taken}
    for path in sorted(each for paths in pictures.values() for each in paths):
        if path.resolve() not in listed:
            found.skipped.append(Skipped(str(path), "has no annotations"))
    found.names = tuple(names)
    return found


def run_lengths(counts: Any, size: int) -> np.ndarray:
    """Return the run lengths of an RLE, compressed text or a list, that add up to `size`. Raise Unusable if not."""
    if isinstance(counts, str):
        counts = _decompress(counts)
    if not isinstance(counts, list) or not all(isinstance(each, int) and 0 <= each <= size for each in counts):
        raise Unusable("is not a list of run lengths")
    if sum(counts) != size:
        raise Unusable(f"covers {sum(counts)} pixels instead of {size}")
    return np.array(counts, dtype=np.int64)


def _decompress(text: str) -> list[int]:
    """Decode the run lengths of COCO's compressed text, as `rleFrString` of pycocotools, but checked."""
    if not _COMPRESSED.fullmatch(text):
        raise Unusable("is damaged text")
    counts, value, shift = [], 0, 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << (shift - 4)  # the sign
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return counts


def _regions(segmentation: Any, height: int, width: int, notes: Counter[str]) -> Iterable[np.ndarray]:
    if isinstance(segmentation, dict):
        try:
            if segmentation.get("size") != [height, width]:
                raise Unusable(f"has the size {segmentation.get('size')} instead of {[height, width]}")
            counts = run_lengths(segmentation.get("counts"), height * width)
            yield np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T
        except Unusable as error:
            notes[f"RLE that {error}, left out"] += 1
        return
    for polygon in segmentation if isinstance(segmentation, list) else ():
        flat = polygon if isinstance(polygon, list) else None
        points = as_points(zip(flat[::2], flat[1::2], strict=True)) if flat and len(flat) % 2 == 0 else None
        if points is None:
            notes["polygons that are not pairs of numbers, left out"] += 1
        elif len(points) < 3:
            notes["polygons of fewer than 3 points, left out"] += 1
        elif max(abs(each) for point in points for each in point) > min(FARTHEST, 20 * (height + width)):
            notes["polygons with points far outside the image, left out"] += 1
        else:
            xs, ys = zip(*points, strict=True)
            if min(xs) < -1 or min(ys) < -1 or max(xs) > width + 1 or max(ys) > height + 1:
                notes["polygons that reach over the edge of the image, clipped"] += 1
            rle = official.frPyObjects([[each for point in points for each in point]], height, width)
            yield official.decode(rle)[..., 0].astype(bool)


def _read_file(path: Path, content: dict, root, images, pictures, taken, names, found: Source) -> None:
    categories = {}
    for each in content["categories"]:
        if (
            isinstance(each, dict)
            and isinstance(each.get("id"), int)
            and isinstance(each.get("name"), str)
            and each["name"].strip()
        ):
            categories[each["id"]] = clean_name(each["name"])
    shapes: dict[Any, list] = {}
    lacking: Counter[str] = Counter()
    for each in content["annotations"]:
        if not isinstance(each, dict) or not isinstance(each.get("image_id"), (int, str)):
            lacking["annotations without an image"] += 1
        elif not isinstance(each.get("category_id"), int) or each["category_id"] not in categories:
            lacking["annotations of a category that is not listed"] += 1
        elif not isinstance(each.get("segmentation"), (list, dict)) or not each["segmentation"]:
            lacking["annotations without a segmentation"] += 1
        else:
            area = each["area"] if isinstance(each.get("area"), (int, float)) and each["area"] == each["area"] else 0
            shape = (categories[each["category_id"]], each["segmentation"], bool(each.get("iscrowd")), area)
            shapes.setdefault(each["image_id"], []).append(shape)
    if not shapes:
        raise Unusable("has no segmentation: export polygons or masks, not only boxes")
    names.update(dict.fromkeys(categories[key] for key in sorted(categories)))
    found.notes += [f"{path}: {text}, left out: {count}." for text, count in sorted(lacking.items())]
    for entry in content["images"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or entry.get("id") is None:
            found.skipped.append(Skipped(str(path), "has an image without id or file_name"))
            continue
        key = entry["id"]
        label = shapes.get(key) if isinstance(key, (int, str)) else None
        image = _image(entry["file_name"], path, root, images, pictures)
        if image is None:
            found.skipped.append(Skipped(str(path), f"names the image {entry['file_name']!r}, which is not found"))
        elif label is None:
            continue  # listed as an image without annotations at the end
        elif image in taken:
            found.skipped.append(Skipped(str(path), f"annotates {image.name} again, after {taken[image].name}"))
        else:
            taken[image] = path
            base = images or root
            parts = image.parent.relative_to(base).parts if image.is_relative_to(base) else ()
            split, group = split_of(parts)
            split = split_name(path.stem) or split_of(path.parent.relative_to(root).parts)[0] or split
            size = (entry.get("height"), entry.get("width"))
            found.items.append(Item(image, image.stem, Coco(path, size, tuple(label)), split, group))


def _image(name: str, path: Path, root: Path, images: Path | None, pictures: dict[str, list[Path]]) -> Path | None:
    relative = PurePosixPath(name.replace("\\", "/"))
    candidates = pictures.get(relative.name, [])
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    # The one whose path ends like the name, or that lies in the folder of this split or of this file.
    split = split_name(path.stem) or split_name(path.parent.name)
    ways = (
        lambda each: each.as_posix().endswith(f"/{relative.as_posix().lstrip('./')}"),
        lambda each: each.parent == path.parent,
        lambda each: split is not None and split in {split_name(part) for part in each.parts[:-1]},
    )
    for way in ways:
        fitting = [each for each in candidates if way(each)]
        if len(fitting) == 1:
            return fitting[0]
        candidates = fitting or candidates
    return candidates[0]
