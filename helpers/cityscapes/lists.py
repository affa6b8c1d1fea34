"""File lists for PaddleSeg: one frame per line, image and label paths relative to the root, separated by a space."""

from __future__ import annotations

from pathlib import Path

from helpers.cityscapes.frames import list_frames
from helpers.common.errors import CourseError
from helpers.common.files import write_text
from helpers.datasets import Frame

# File name: (splits, whether each line includes the label). `infer.list` names the images to predict.
LISTS = {
    "train.list": (("train",), True),
    "val.list": (("val",), True),
    "trainval.list": (("train", "val"), True),
    "test.list": (("test",), False),
    "infer.list": (("test",), False),
}


def write_lists(root: str | Path) -> list[Path]:
    """Write the five lists for all frames in `root` and return their paths.

    `paddleseg.datasets.Dataset` splits lines at spaces: raise CourseError if a path contains one.
    """
    root = Path(root)
    frames = {split: list_frames(root, split) for split in ("train", "val", "test")}
    for frame in (frame for split in frames.values() for frame in split):
        if any(character.isspace() for character in frame.group + frame.stem):
            raise CourseError(
                f"{frame.image} has a space in its name, which PaddleSeg's lists do not allow: rename city and file."
            )
    for name, (splits, labelled) in LISTS.items():
        lines = [_line(frame, labelled) for split in splits for frame in frames[split]]
        write_text(root / name, "".join(f"{line}\n" for line in lines))
    return [root / name for name in LISTS]


def _line(frame: Frame, labelled: bool) -> str:
    paths = [frame.image, frame.label] if labelled else [frame.image]
    return " ".join(path.relative_to(frame.dataset.root).as_posix() for path in paths)
