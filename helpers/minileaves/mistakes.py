"""The mistakes planted in MiniLeaves: the ones that people find in their own annotations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from helpers.datasets.pictures import read_picture, write_picture


@dataclass(frozen=True)
class Mistake:
    """A planted mistake: the photograph, as "<plant>/<name>", and what is wrong with its annotation."""

    frame: str
    text: str


def _misspell(root: Path, frame: str) -> None:
    _edit(root, frame, lambda content: content["shapes"][0].update(label="laef"))


def _two_points(root: Path, frame: str) -> None:
    def keep_two(content: dict) -> None:
        content["shapes"].append({**content["shapes"][0], "points": content["shapes"][0]["points"][:2]})

    _edit(root, frame, keep_two)


def _outside(root: Path, frame: str) -> None:
    def move(content: dict) -> None:
        shape = content["shapes"][0]
        shape["points"] = [[x + content["imageWidth"], y] for x, y in shape["points"]]

    _edit(root, frame, move)


def _cut(root: Path, frame: str) -> None:
    path = (root / frame).with_suffix(".json")
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")


def _forget(root: Path, frame: str) -> None:
    (root / frame).with_suffix(".json").unlink()


def _shrink(root: Path, frame: str) -> None:
    path = (root / frame).with_suffix(".png")
    image = read_picture(path.read_bytes(), path.name)
    write_picture(path, cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _copy_to_another_plant(root: Path, frame: str) -> None:
    target = root / "plant_02" / "copy_of_00"
    for suffix in (".png", ".json"):
        shutil.copyfile((root / frame).with_suffix(suffix), target.with_suffix(suffix))
    _edit(root, "plant_02/copy_of_00", lambda content: content.update(imagePath="copy_of_00.png"))


_PLANTED: tuple[tuple[str, str, Callable[[Path, str], None]], ...] = (
    ("plant_00/03", "a label is misspelt: laef", _misspell),
    ("plant_01/01", "a polygon has two points", _two_points),
    ("plant_01/04", "a polygon lies outside the image", _outside),
    ("plant_03/02", "the JSON file is cut off", _cut),
    ("plant_04/00", "the annotation is missing", _forget),
    ("plant_05/05", "the image was resized after it was annotated", _shrink),
    ("plant_06/00", "the photograph occurs again as plant_02/copy_of_00", _copy_to_another_plant),
)
MISTAKES: tuple[Mistake, ...] = tuple(Mistake(frame, text) for frame, text, _ in _PLANTED)


def plant(root: Path) -> None:
    """Plant all MISTAKES in a set without mistakes."""
    for frame, _, make in _PLANTED:
        make(root, frame)


def _edit(root: Path, frame: str, change: Callable[[dict], object]) -> None:
    path = (root / frame).with_suffix(".json")
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
