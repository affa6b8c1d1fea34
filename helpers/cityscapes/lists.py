"""The list files that PaddleSeg reads: one frame a line, paths below the root, image and label by a space."""

from __future__ import annotations

from pathlib import Path

from helpers.cityscapes.frames import Frame, list_frames
from helpers.common.errors import CourseError
from helpers.common.files import write_text

# name of the list: its splits, and whether each line has the label too. `infer` is the pictures to predict.
LISTS = {
    "train.list": (("train",), True),
    "val.list": (("val",), True),
    "trainval.list": (("train", "val"), True),
    "test.list": (("test",), False),
    "infer.list": (("test",), False),
}


def write_lists(root: str | Path) -> list[Path]:
    """Write the five lists into `root`, from the frames that are there; returns their paths.

    `paddleseg.datasets.Dataset` splits a line at the space, so no path may hold one: CourseError.
    """
    root = Path(root)
    frames = {split: list_frames(root, split) for split in ("train", "val", "test")}
    for frame in (frame for split in frames.values() for frame in split):
        if any(character.isspace() for character in frame.city + frame.stem):
            raise CourseError(
                f"{frame.image} has a space in its name, at which PaddleSeg's lists are split: rename city and file."
            )
    for name, (splits, labelled) in LISTS.items():
        lines = [_line(frame, labelled) for split in splits for frame in frames[split]]
        write_text(root / name, "".join(f"{line}\n" for line in lines))
    return [root / name for name in LISTS]


def _line(frame: Frame, labelled: bool) -> str:
    paths = [frame.image, frame.label] if labelled else [frame.image]
    return " ".join(path.relative_to(frame.root).as_posix() for path in paths)
