"""Read COCO annotations: polygons and run lengths (RLE)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as official

from helpers.datasets.importing.items import Drawn, Item, Key, Source, Unusable
from helpers.datasets.importing.naming import split_name, split_of
from helpers.datasets.importing.reading import clean_name, is_image, load_json, walk
from helpers.datasets.importing.shapes import Canvas

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
        canvas = Canvas(height, width, self.size)
        for name, segmentation, _, _ in sorted(self.shapes, key=lambda shape: (not shape[2], -shape[3])):
            if isinstance(segmentation, dict):
                _fill_rle(canvas, Key(name=name), segmentation)
            for polygon in segmentation if isinstance(segmentation, list) else ():
                _fill_polygon(canvas, Key(name=name), polygon)
        return canvas.drawn()


def is_coco(content: Any) -> bool:
    """Return whether a JSON value looks like COCO annotations."""
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations", "categories")
    )


def read(source: Path, images: Path | None = None) -> Source:
    """List the images of all COCO files in a folder, or of one file."""
    found = Source("COCO", [])
    root = source if source.is_dir() else source.parent.parent if source.parent.name == "annotations" else source.parent
    pictures = defaultdict(list)
    for path in filter(is_image, walk(images or root)):
        pictures[path.name].append(path)
    taken: dict[Path, Path] = {}
    for path in [source] if source.is_file() else [each for each in walk(source) if each.suffix.lower() == ".json"]:
        try:
            content = load_json(path)
            if not is_coco(content):
                raise Unusable("is not a COCO file: it lacks the lists images, annotations and categories")
            shapes = _shapes(path, content, found)
        except Unusable as error:
            found.skip(path, error)
            continue
        for entry in content["images"]:
            if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or entry.get("id") is None:
                found.skip(path, "has an image without id or file_name")
                continue
            image = _image(entry["file_name"], path, pictures[PurePosixPath(_posix(entry["file_name"])).name])
            if image is None:
                found.skip(path, f"names the image {entry['file_name']!r}, which is not found")
            elif not isinstance(entry["id"], (int, str)) or entry["id"] not in shapes:
                continue  # listed as an image without annotations at the end
            elif image in taken:
                found.skip(path, f"annotates {image.name} again, after {taken[image].name}")
            else:
                taken[image] = path
                split, group = split_of(image.parent, images or root)
                split = split_name(path.stem) or split_of(path.parent, root)[0] or split
                label = Coco(path, (entry.get("height"), entry.get("width")), tuple(shapes[entry["id"]]))
                found.items.append(Item(image, image.stem, label, split, group))
    if taken or not found.skipped:
        listed = {path.resolve() for path in taken}
        for path in sorted(path for paths in pictures.values() for path in paths if path.resolve() not in listed):
            found.skip(path, "has no annotations")
    return found


def _shapes(path: Path, content: dict, found: Source) -> dict[int | str, list[tuple]]:
    """Return the shapes of each image id; add the names of the classes, and notes on what is left out, to `found`."""
    categories = {
        each["id"]: clean_name(each["name"])
        for each in content["categories"]
        if isinstance(each, dict) and isinstance(each.get("id"), int) and isinstance(each.get("name"), str)
        if each["name"].strip()
    }
    shapes = defaultdict(list)
    lacking: Counter[str] = Counter()
    for each in content["annotations"]:
        if not isinstance(each, dict) or not isinstance(each.get("image_id"), (int, str)):
            lacking["annotations without an image"] += 1
        elif not isinstance(each.get("category_id"), int) or each["category_id"] not in categories:
            lacking["annotations of a category that is not listed"] += 1
        elif not isinstance(each.get("segmentation"), (list, dict)) or not each["segmentation"]:
            lacking["annotations without a segmentation"] += 1
        else:
            area = each.get("area")
            area = area if isinstance(area, (int, float)) and area == area else 0
            shape = (categories[each["category_id"]], each["segmentation"], bool(each.get("iscrowd")), area)
            shapes[each["image_id"]].append(shape)
    if not shapes:
        raise Unusable("has no segmentation: export polygons or masks, not only boxes")
    found.names = tuple(dict.fromkeys((*found.names, *(categories[key] for key in sorted(categories)))))
    found.notes += [f"{path}: {text}, left out: {count}." for text, count in sorted(lacking.items())]
    return shapes


def _posix(name: str) -> str:
    return name.replace("\\", "/").lstrip("./")


def _image(name: str, path: Path, candidates: Sequence[Path]) -> Path | None:
    """Return the image that an annotation file means by a name, of several files with that name."""
    # The one whose path ends like the name, or that lies in the folder of this file or of its split.
    split = split_name(path.stem) or split_name(path.parent.name)
    ways = (
        lambda each: each.as_posix().endswith(f"/{_posix(name)}"),
        lambda each: each.parent == path.parent,
        lambda each: split is not None and split in map(split_name, each.parts[:-1]),
    )
    for way in ways:
        candidates = [each for each in candidates if way(each)] or candidates
    return candidates[0] if candidates else None


def _fill_polygon(canvas: Canvas, key: Key, flat: Any) -> None:
    pairs = zip(flat[::2], flat[1::2], strict=True) if isinstance(flat, list) and len(flat) % 2 == 0 else None
    points = canvas.points("polygons", pairs, 3)
    if points is not None and canvas.reaches("polygons", points):
        rle = official.frPyObjects([[each for point in points for each in point]], canvas.height, canvas.width)
        canvas.fill(key, official.decode(rle)[..., 0].astype(bool))


def _fill_rle(canvas: Canvas, key: Key, rle: dict) -> None:
    try:
        if rle.get("size") != [canvas.height, canvas.width]:
            raise Unusable(f"has the size {rle.get('size')} instead of {[canvas.height, canvas.width]}")
        counts = run_lengths(rle.get("counts"), canvas.height * canvas.width)
        canvas.fill(key, np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(canvas.width, canvas.height).T)
    except Unusable as error:
        canvas.note(f"RLE that {error}, left out")


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
