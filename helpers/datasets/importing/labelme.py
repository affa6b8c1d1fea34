"""Read LabelMe folders: a JSON file of shapes next to each image."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from helpers.datasets.importing.items import IGNORED, Drawn, Item, Key, Source, Unusable
from helpers.datasets.importing.naming import split_of
from helpers.datasets.importing.reading import clean_name, is_image, load_json, walk
from helpers.datasets.importing.shapes import Canvas, Points

IGNORED_FLAGS = ("ignore", "ignored", "difficult")  # flags of a shape whose pixels are not trained on
LINE_WIDTH = 10  # pixels of a line, as in LabelMe's converter
_FEWEST = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2, "mask": 1}  # points of a shape


@dataclass(frozen=True)
class LabelMe:
    """The shapes of one JSON file, in the order of the file: later ones lie on top."""

    file: Path
    size: tuple[Any, Any]
    shapes: tuple[dict, ...]

    def draw(self, height: int, width: int, orientation: int = 1) -> Drawn:
        """Draw the shapes; LabelMe shows images upright, so its points refer to the upright image."""
        canvas = Canvas(height, width, self.size)
        for shape in self.shapes:
            flags = shape.get("flags")
            ignored = isinstance(flags, dict) and any(flags.get(name) is True for name in IGNORED_FLAGS)
            region = _region(canvas, shape)
            if region is not None:
                canvas.fill(IGNORED if ignored else Key(name=clean_name(shape["label"])), np.asarray(region))
        return canvas.drawn()


def read(root: Path, images: Path | None = None) -> Source:
    """List the JSON files below `root` with their images."""
    source = Source("LabelMe", [])
    files = list(walk(root))
    pictures = _by_stem(files)
    everywhere = {**_by_stem(walk(images) if images else ()), **pictures}
    used = set()
    for path in files:
        if path.suffix.lower() != ".json":
            continue
        used.add(path.with_suffix(""))
        try:
            label, image = _open(path, root, images, everywhere)
        except Unusable as error:
            source.skip(path, error)
            continue
        if isinstance(image, Path):
            used.add(image.with_suffix(""))
        split, group = split_of(path.parent, root)
        source.items.append(Item(image, path.stem, label, split, group))
    for stem in sorted(pictures.keys() - used):
        source.skip(pictures[stem], f"has no annotation {stem.name}.json")
    return source


def is_labelme(content: Any) -> bool:
    """Return whether a JSON value looks like a file of LabelMe."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def _by_stem(files: Iterable[Path]) -> dict[Path, Path]:
    return {path.with_suffix(""): path for path in reversed(list(files)) if is_image(path)}


def _open(path: Path, root: Path, images: Path | None, by_stem: dict[Path, Path]) -> tuple[LabelMe, Path | bytes]:
    content = load_json(path)
    if not is_labelme(content):
        raise Unusable('is not an annotation of LabelMe: it has no list "shapes"')
    shapes = content["shapes"]
    for position, shape in enumerate(shapes):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str) or not shape["label"].strip():
            raise Unusable(f"has a shape without a label, the one at position {position}: name it in LabelMe")
        if not isinstance(shape.get("shape_type") or "polygon", str):
            raise Unusable(f"has a shape of an unknown type, the one at position {position}: correct it in LabelMe")
    size = tuple(value if isinstance(value, int) else None for value in map(content.get, ("imageHeight", "imageWidth")))
    return LabelMe(path, size, tuple(shapes)), _image(path, content, root, images, by_stem)


def _image(path: Path, content: dict, root: Path, images: Path | None, by_stem: dict[Path, Path]) -> Path | bytes:
    named = content.get("imagePath")
    name = PurePosixPath(named.replace("\\", "/")) if isinstance(named, str) and "\0" not in named else None
    folders = [path.parent] if images is None else [images / path.parent.relative_to(root), images]
    for folder in folders:
        for candidate in (folder / name, folder / name.name) if name and name.name else ():
            if _inside(candidate, images or root):
                return candidate
        if found := by_stem.get(folder / path.stem):
            return found
    data = content.get("imageData")
    if isinstance(data, str) and data:
        try:
            return base64.b64decode(data, validate=True)
        except ValueError:
            raise Unusable("has damaged imageData: put the image next to it") from None
    raise Unusable(f"has no image: expected {named or path.stem} next to it, or in the folder of --images")


def _inside(path: Path, folder: Path) -> bool:
    """Return whether a file exists and, links aside, lies below a folder: annotations may come from anybody."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100, resolve() follows links
    try:
        return absolute.is_relative_to(folder.absolute()) and absolute.is_file()
    except OSError:  # a name that is too long
        return False


def _region(canvas: Canvas, shape: dict) -> Image.Image | None:
    """Draw a shape as LabelMe's own converter does. Return None, with a note, if it covers nothing."""
    kind = shape.get("shape_type") or "polygon"
    if kind not in _FEWEST:
        canvas.note(f"shapes of the type {kind}, which have no area, left out")
        return None
    points = canvas.points(f"{kind} shapes", shape.get("points"), _FEWEST[kind])
    if points is None:
        return None
    region = Image.new("1", (canvas.width, canvas.height), 0)
    if kind == "mask":
        return region if _paste(canvas, region, points[0], shape.get("mask")) else None
    outline = _box(kind, points) if kind in ("circle", "rectangle") else points
    if not canvas.reaches(f"{kind} shapes", outline):
        return None
    draw = ImageDraw.Draw(region)
    if kind in ("line", "linestrip"):
        draw.line(points, fill=1, width=LINE_WIDTH)
    else:
        fill = {"circle": draw.ellipse, "rectangle": draw.rectangle, "polygon": draw.polygon}[kind]
        fill(outline, outline=1, fill=1)
    return region


def _box(kind: str, points: Points) -> Points:
    """Return two corners of a rectangle, or of the square around a circle, which has a centre and a point on it."""
    if kind == "circle":
        (x, y), edge = points[:2]
        radius = math.dist((x, y), edge)
        return [(x - radius, y - radius), (x + radius, y + radius)]
    xs, ys = zip(*points, strict=True)
    return [(min(xs), min(ys)), (max(xs), max(ys))]


def _paste(canvas: Canvas, region: Image.Image, corner: tuple[float, float], mask: Any) -> bool:
    """Paste a PNG in base64 with its upper left corner at a point, as LabelMe 5.3 and later write it."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(mask, validate=True)), formats=["PNG"]) as picture:
            if picture.width > canvas.width + 1 or picture.height > canvas.height + 1:
                raise ValueError("larger than the image")
            inside = picture.convert("L").point(lambda value: value > 0, "1")
    except (TypeError, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        canvas.note("mask shapes that are not a PNG of at most the size of the image, left out")
        return False
    if not canvas.reaches("mask shapes", [corner, (corner[0] + inside.width, corner[1] + inside.height)]):
        return False
    region.paste(inside, (round(corner[0]), round(corner[1])))
    return True
