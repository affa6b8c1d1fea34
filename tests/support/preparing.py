"""Archives of a small data set, and what a rejected preparation says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.cityscapes.prepare import prepare
from helpers.common.errors import CourseError

STEM = "aachen_000001_000019"


def archives(raw, tmp_path, form="zip"):
    halves = ("leftImg8bit", "gtFine")
    return [Path(shutil.make_archive(str(tmp_path / f"{half}_trainvaltest"), form, raw, half)) for half in halves]


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def rejects(words, sources, to=None):
    with pytest.raises(CourseError) as caught:
        prepare(sources, to)
    text = str(caught.value)
    assert all(str(word) in text for word in words), text
    assert "\n" not in text
    return text


def annotation(root, kind, end="png"):
    return root / f"gtFine/train/aachen/{STEM}_gtFine_{kind}.{end}"
