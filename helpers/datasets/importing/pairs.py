"""Pair images with label images by their names, in folders of any common layout."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from helpers.datasets.importing.items import Item, Source
from helpers.datasets.importing.lists import split_lists
from helpers.datasets.importing.masks import Mask
from helpers.datasets.importing.naming import LABEL_ENDS, base_stem, role_of, split_of
from helpers.datasets.importing.reading import is_image, walk

# Of several labels of one image, the one with the first of these endings is taken; pictures of labels come last.
_PREFERRED = ("labeltrainids", "labelids", "label", "mask", "gt", "l", "p")


class Found(NamedTuple):
    """A file with the split and the group that its folders name."""

    path: Path
    split: str | None
    group: str
    stem: str
    base: str


def read(root: Path, images: Path | None = None, labels: Path | None = None) -> Source:
    """Pair the images and masks of a folder; `images` and `labels` name their folders if their names do not."""
    pictures, masks = _by_role(root, images, labels)
    return pair(pictures, masks, split_lists(root))


def read_voc(root: Path, images: Path | None = None, labels: Path | None = None) -> Source:
    """Read the layout of Pascal VOC, which CVAT exports as "Segmentation mask"."""
    home = voc_home(root)
    images, labels = images or home / "JPEGImages", labels or home / "SegmentationClass"
    source = pair(_files(images, "image"), _files(labels, "label"), split_lists(home))
    table = home / "labelmap.txt"
    source.kind, source.classes = "VOC", table if table.is_file() else None
    return source


def voc_home(root: Path) -> Path | None:
    """Return the folder that contains SegmentationClass: the root or one below it."""
    folders = (root, *sorted(each for each in root.glob("*") if each.is_dir()), *sorted(root.glob("*/VOC20*")))
    return next((folder for folder in folders if (folder / "SegmentationClass").is_dir()), None)


def pair(pictures: list[Found], masks: list[Found], splits: Mapping[str, str]) -> Source:
    """Pair by split, group and stem; then without endings such as _mask; then across folders where that is clear."""
    source = Source("masks", [])
    levels = [
        lambda each: (each.split, each.group, each.stem),
        lambda each: (each.split, each.group, each.base),
        lambda each: (each.split, each.base),
        lambda each: each.base,
    ]
    indices = [defaultdict(list) for _ in levels]
    for level, index in zip(levels, indices, strict=True):
        for picture in pictures:
            index[level(picture)].append(picture)
    taken: dict[Path, Path] = {}
    for mask in sorted(masks, key=_preference):
        candidates = (index.get(level(mask)) for level, index in zip(levels, indices, strict=True))
        fitting = next(filter(None, candidates), [])
        if not fitting:
            source.skip(mask.path, "has no image of its name")
        elif len(fitting) > 1:
            names = " and ".join(str(each.path) for each in fitting[:2])
            source.skip(mask.path, f"could belong to {names}: give them different names")
        elif fitting[0].path in taken:
            source.skip(mask.path, f"is another label of an image that {taken[fitting[0].path].name} labels")
        else:
            taken[fitting[0].path] = mask.path
    for picture in pictures:
        label = taken.get(picture.path)
        split = splits.get(picture.stem, splits.get(picture.path.name, picture.split))
        if label is not None or split == "test":
            item = Item(picture.path, picture.stem, None if label is None else Mask(label), split, picture.group)
            source.items.append(item)
        else:
            source.skip(picture.path, "has no label of its name")
    return source


def _by_role(root: Path, images: Path | None, labels: Path | None) -> tuple[list[Found], list[Found]]:
    if images and labels:
        return _files(images, "image"), _files(labels, "label")
    if images or labels:
        named = _files(images or labels, "image" if images else "label")
        inside = {each.path.resolve() for each in named}
        others = [each for each in _files(root, "label" if images else "image") if each.path.resolve() not in inside]
        return (named, others) if images else (others, named)
    pictures, masks = [], []
    plain = []  # folders whose names do not say what they contain
    for path in filter(is_image, walk(root)):
        roles = [role for folder in path.parent.relative_to(root).parts if (role := role_of(folder))]
        if not roles:
            plain.append(path)
        else:
            (masks if roles[-1] == "label" else pictures).append(_found(path, root, roles[-1]))
    stems = {(path.parent, base_stem(path.stem, "image")) for path in plain}
    stems |= {(path.parent, path.stem) for path in plain}
    for path in plain:
        base = base_stem(path.stem, "label")
        is_label = base != path.stem and (path.parent, base) in stems
        (masks if is_label else pictures).append(_found(path, root, "label" if is_label else "image"))
    return pictures, masks


def _files(folder: Path, role: str) -> list[Found]:
    return [_found(path, folder, role) for path in walk(folder) if is_image(path)]


def _found(path: Path, root: Path, role: str) -> Found:
    split, group = split_of(path.parent, root)
    # The same name may be encoded in two ways (macOS), and written in another case.
    base = unicodedata.normalize("NFC", base_stem(path.stem, role)).casefold()
    return Found(path, split, group, path.stem, base)


def _preference(mask: Found) -> tuple[bool, int, str]:
    ending = LABEL_ENDS.search(mask.stem)
    name = ending[1].lower() if ending else ""
    return ending is not None, _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED), str(mask.path)
