"""Read list files: pairs of image and label, as PaddleSeg has them, or names of the frames of a split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.datasets.importing.items import Item, Skipped, Source, is_image
from helpers.datasets.importing.masks import Mask
from helpers.datasets.importing.naming import split_name, split_of

_NAME = re.compile(r"[_-]?lists?[_-]?|[_-]?files?[_-]?", re.IGNORECASE)


def list_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the list files of a folder, such as train.txt or val_list.txt, each with its split."""
    for folder in (root, root / "ImageSets" / "Segmentation"):
        for path in sorted(folder.glob("*.txt")):
            split = split_name(_NAME.sub("", path.stem))
            if split and path.is_file() and not path.name.startswith("."):
                yield path, split


def read(source: Path, images: Path | None = None, separator: str | None = None) -> Source:
    """Read the list files of a folder, or one list file. Paths are relative to it, or to `images`."""
    found = Source("lists", [])
    lists = list(list_files(source)) if source.is_dir() else [(source, split_name(_NAME.sub("", source.stem)))]
    base = images or (source if source.is_dir() else source.parent)
    seen: dict[Path, Path] = {}
    for path, split in lists:
        for number, line in _lines(path):
            pair = _split(line, base, separator)
            where = f"{path}, line {number}"
            if pair is None:
                found.skipped.append(Skipped(where, f"names no existing files: {line[:200]}"))
            elif pair[0] in seen:
                found.skipped.append(Skipped(where, f"lists {pair[0].name} again, after {seen[pair[0]].name}"))
            elif pair[1] is None and split != "test":
                found.skipped.append(Skipped(where, f"has no label for {pair[0].name}"))
            else:
                seen[pair[0]] = path
                parts = pair[0].parent.relative_to(base).parts if pair[0].is_relative_to(base) else ()
                label = None if pair[1] is None else Mask(pair[1])
                found.items.append(Item(pair[0], pair[0].stem, label, split, split_of(parts)[1]))
    return found


def has_pairs(root: Path, images: Path | None = None) -> bool:
    """Return whether a list file of the folder starts with a pair of existing files."""
    for path, _ in list_files(root):
        for _, line in _lines(path)[:3]:
            pair = _split(line, images or root, None)
            if pair is not None and pair[1] is not None:
                return True
    return False


def split_lists(root: Path) -> dict[str, str]:
    """Return the split of each name in lists of names, such as those of Pascal VOC."""
    splits: dict[str, str] = {}
    for path, split in list_files(root):
        for _, line in _lines(path):
            name = line.replace("\\", "/").rsplit("/", 1)[-1]
            splits.setdefault(name, split)
            splits.setdefault(Path(name).stem if is_image(Path(name)) else name, split)
    return splits


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} is not a text file in UTF-8 ({error}): save it as UTF-8.") from error
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _split(line: str, base: Path, separator: str | None) -> tuple[Path, Path | None] | None:
    """Return image and label of a line. Names may contain the separator: the split where both exist is taken."""
    if separator is None:
        places = [match.span() for match in re.finditer(r"\s+|,|;", line)]
    else:
        places = [match.span() for match in re.finditer(re.escape(separator), line)]
    for start, end in sorted(places, key=lambda place: abs(place[0] + place[1] - len(line))):
        image, label = _resolve(line[:start], base), _resolve(line[end:], base)
        if image is not None and label is not None:
            return image, label
    image = _resolve(line, base)
    return None if image is None else (image, None)


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
