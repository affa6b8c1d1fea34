"""Find out the format of a source."""

from __future__ import annotations

from pathlib import Path

from helpers.common.errors import CourseError
from helpers.datasets.importing import labelme
from helpers.datasets.importing.items import Source, Unusable, load_json, walk

FORMATS = ("auto", "labelme", "coco", "voc", "masks", "lists")
_PROBED = 20  # JSON files that are looked into


def open_source(source: Path, images: Path | None, labels: Path | None, kind: str = "auto") -> Source:
    """List the frames of a source. Raise CourseError if no format fits."""
    if kind not in FORMATS:
        raise CourseError(f"Unknown format {kind!r}: choose {', '.join(FORMATS)}.")
    for path in filter(None, (source, images, labels)):
        if not path.exists():
            raise CourseError(f"{path} does not exist: check the path.")
    if kind == "auto":
        kind = _kind(source, labels)
    if kind == "labelme":
        return labelme.read(labels or source, images)
    raise NotImplementedError(kind)


def _kind(source: Path, labels: Path | None) -> str:
    files = list(walk(labels or source))
    for path in [path for path in files if path.suffix.lower() == ".json"][:_PROBED]:
        try:
            content = load_json(path)
        except Unusable:
            continue
        if labelme.is_labelme(content):
            return "labelme"
    return "masks"
