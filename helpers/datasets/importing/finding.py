"""Find out the format of a source."""

from __future__ import annotations

from pathlib import Path

from helpers.common.errors import CourseError
from helpers.datasets.importing import coco, labelme, lists, pairs
from helpers.datasets.importing.items import Source, Unusable
from helpers.datasets.importing.reading import load_json, walk

FORMATS = ("auto", "labelme", "coco", "voc", "masks", "lists")
_PROBED = 20  # JSON files that are looked into


def open_source(source: Path, images: Path | None, labels: Path | None, kind: str = "auto") -> Source:
    """List the frames of a source. Raise CourseError if it does not exist or no format fits."""
    if kind not in FORMATS:
        raise CourseError(f"Unknown format {kind!r}: choose {', '.join(FORMATS)}.")
    for path in filter(None, (source, images, labels)):
        if not path.exists():
            raise CourseError(f"{path} does not exist: check the path.")
    for path in filter(None, (images, labels)):
        if not path.is_dir():
            raise CourseError(f"Expected a folder, got the file {path}: pass the folder that contains it.")
    if kind == "auto":
        kind = _kind(source, images, labels)
    if source.is_file() and kind not in ("coco", "lists"):
        raise CourseError(f"Expected a folder of {kind}, got the file {source}: pass the folder that contains it.")
    if kind == "labelme":
        return labelme.read(labels or source, images or (source if labels else None))
    if kind == "coco":
        return coco.read(source, images)
    if kind == "lists":
        return lists.read(source, images)
    if kind == "voc" and (pairs.voc_home(source) or labels):
        return pairs.read_voc(source, images, labels)
    if kind == "voc":
        raise CourseError(f"{source} has no folder SegmentationClass: pass the folder that contains it, or --labels.")
    return pairs.read(source, images, labels)


def _kind(source: Path, images: Path | None, labels: Path | None) -> str:
    if source.is_file():
        kinds = {".json": "coco", ".txt": "lists"}
        if source.suffix.lower() not in kinds:
            raise CourseError(
                f"Expected a folder, a COCO file or a list file, got {source}: unpack an archive, and pass its folder."
            )
        return kinds[source.suffix.lower()]
    if (source / "leftImg8bit").is_dir() and (source / "gtFine").is_dir():
        raise CourseError(
            f"{source} has the layout of Cityscapes: use `python -m helpers.cityscapes prepare {source}` instead."
        )
    for path in [path for path in walk(labels or source) if path.suffix.lower() == ".json"][:_PROBED]:
        try:
            content = load_json(path)
        except Unusable:
            continue
        if labelme.is_labelme(content):
            return "labelme"
        if coco.is_coco(content):
            return "coco"
    if labels is None and images is None and pairs.voc_home(source):
        return "voc"
    if labels is None and lists.has_pairs(source, images):
        return "lists"
    return "masks"
