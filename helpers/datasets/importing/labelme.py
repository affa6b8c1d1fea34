"""Read LabelMe folders: a JSON file of shapes next to each image."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from helpers.datasets.importing.items import (
    IGNORED,
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
from helpers.datasets.importing.naming import split_of
from helpers.datasets.importing.shapes import Canvas, check_size

IGNORED_FLAGS = ("ignore", "ignored", "difficult")  # flags of a shape whose pixels are not trained on


@dataclass(frozen=True)
class LabelMe:
    """The shapes of one JSON file, in the order of the file: later ones lie on top."""

    file: Path
    size: tuple[Any, Any]
    shapes: tuple[dict, ...]

    def draw(self, height: int, width: int, orientation: int = 1) -> Drawn:
        """Draw the shapes; LabelMe shows images upright, so its points refer to the upright image."""
        check_size(self.size, height, width)
        keys, canvas = {NOTHING: 0}, Canvas(height, width)
        for shape in self.shapes:
            flags = shape.get("flags")
            ignored = isinstance(flags, dict) and any(flags.get(name) is True for name in IGNORED_FLAGS)
            key = IGNORED if ignored else Key(name=clean_name(shape["label"]))
            position = keys.setdefault(key, len(keys))
            canvas.add(shape.get("shape_type") or "polygon", shape.get("points"), position, shape.get("mask"))
        return Drawn(tuple(keys), canvas.pixels, canvas.notes)


def read(root: Path, images: Path | None = None) -> Source:
    """List the JSON files below `root` with their images."""
    source = Source("LabelMe", [])
    files = list(walk(root))
    used = set()
    pictures = {path.with_suffix("") for path in files if is_image(path)}
    by_stem: dict[Path, list[Path]] = {}
    for path in files if images is None else [*files, *walk(images)]:
        if is_image(path):
            by_stem.setdefault(path.with_suffix(""), []).append(path)
    for path in files:
        if path.suffix.lower() != ".json":
            continue
        try:
            label, image = _open(path, root, images, by_stem)
        except Unusable as error:
            source.skipped.append(Skipped(str(path), str(error)))
            used.add(path.with_suffix(""))
            continue
        used.add(path.with_suffix(""))
        if isinstance(image, Path):
            used.add(image.with_suffix(""))
        split, group = split_of(path.parent.relative_to(root).parts)
        source.items.append(Item(image, path.stem, label, split, group))
    for stem in sorted(pictures - used):
        source.skipped.append(Skipped(str(by_stem[stem][0]), f"has no annotation {stem.name}.json"))
    return source


def is_labelme(content: Any) -> bool:
    """Return whether a JSON value looks like a file of LabelMe."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def _open(path: Path, root: Path, images: Path | None, by_stem: dict[Path, list[Path]]) -> tuple[LabelMe, Path | bytes]:
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


def _image(path: Path, content: dict, root: Path, images: Path | None, by_stem: dict[Path, list[Path]]) -> Path | bytes:
    named = content.get("imagePath")
    name = PurePosixPath(named.replace("\\", "/")) if isinstance(named, str) and "\0" not in named else None
    folders = [path.parent] if images is None else [images / path.parent.relative_to(root), images]
    for folder in folders:
        for candidate in (folder / name, folder / name.name) if name and name.name else ():
            if _inside(candidate, images or root):
                return candidate
        if found := by_stem.get(folder / path.stem):
            return found[0]
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
