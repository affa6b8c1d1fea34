"""Read list files: pairs of image and label, as PaddleSeg has them, or names of the frames of a split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from helpers.datasets.importing.items import Item, Source
from helpers.datasets.importing.masks import Mask
from helpers.datasets.importing.naming import split_name, split_of
from helpers.datasets.importing.reading import is_image, text_lines

_NAME = re.compile(r"[_-]?lists?[_-]?|[_-]?files?[_-]?", re.IGNORECASE)


def list_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the list files of a folder, such as train.txt or val_list.txt, each with its split."""
    for folder in (root, root / "ImageSets" / "Segmentation"):
        for path in sorted(folder.glob("*.txt")):
            split = split_name(_NAME.sub("", path.stem))
            if split and path.is_file() and not path.name.startswith("."):
                yield path, split


def read(source: Path, images: Path | None = None) -> Source:
    """Read the list files of a folder, or one list file. Paths are relative to it, or to `images`."""
    found = Source("lists", [])
    lists = list(list_files(source)) if source.is_dir() else [(source, split_name(_NAME.sub("", source.stem)))]
    base = images or (source if source.is_dir() else source.parent)
    seen: dict[Path, Path] = {}
    for path, split in lists:
        for number, line in text_lines(path):
            image, label = _split(line, base)
            where = f"{path}, line {number}"
            if image is None:
                found.skip(where, f"names no existing files: {line[:200]}")
            elif image in seen:
                found.skip(where, f"lists {image.name} again, after {seen[image].name}")
            elif label is None and split != "test":
                found.skip(where, f"has no label for {image.name}")
            else:
                seen[image] = path
                group = split_of(image.parent, base)[1]
                found.items.append(Item(image, image.stem, label and Mask(label), split, group))
    return found


def has_pairs(root: Path, images: Path | None = None) -> bool:
    """Return whether a list file of the folder starts with a pair of existing files."""
    first = (line for path, _ in list_files(root) for _, line in text_lines(path)[:3])
    return any(_split(line, images or root)[1] for line in first)


def split_lists(root: Path) -> dict[str, str]:
    """Return the split of each name in lists of names, such as those of Pascal VOC."""
    splits: dict[str, str] = {}
    for path, split in list_files(root):
        for _, line in text_lines(path):
            name = line.replace("\\", "/").rsplit("/", 1)[-1]
            splits.setdefault(name, split)
            splits.setdefault(Path(name).stem if is_image(Path(name)) else name, split)
    return splits


def _split(line: str, base: Path) -> tuple[Path | None, Path | None]:
    """Return image and label of a line. Names may contain the separator: the split where both exist is taken."""
    separators = (match.span() for match in re.finditer(r"\s+|[,;|]", line))
    for start, end in sorted(separators, key=lambda span: abs(sum(span) - len(line))):
        image, label = _resolve(line[:start], base), _resolve(line[end:], base)
        if image is not None and label is not None:
            return image, label
    return _resolve(line, base), None


def _resolve(text: str, base: Path) -> Path | None:
    """Return an existing image: the path below `base`, without leading folders that are those of another machine."""
    parts = [part for part in text.strip().strip('"').replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in text:
        return None
    for start in range(len(parts)):
        try:
            path = base.joinpath(*parts[start:])
            if is_image(path) and path.is_file():
                return path
        except OSError:  # a name that is too long
            return None
    return None
