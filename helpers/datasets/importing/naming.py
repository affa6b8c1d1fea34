"""Read roles and splits from the names of folders and files, in their common spellings."""

from __future__ import annotations

import re
from pathlib import Path

LABEL_WORDS = (
    "segmentationclass groundtruth ground_truth annotations annotation annots annot labeledapproved labels label masks "
    "mask targets target gtfine gt segmentations segmentation seg"
).split()
IMAGE_WORDS = (
    "jpegimages leftimg8bit stillsraw images image imgs img photos photo pictures frames rgb inputs input raw"
).split()
_SPLITS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst"),
}
SPLIT_NAMES = {name: split for split, names in _SPLITS.items() for name in names}
LABEL_ENDS = re.compile(
    r"[ _.-](l|p|mask|masks|label|labels|labelids|labeltrainids|gt|gtfine|seg|segmentation|annot|annotation|"
    r"groundtruth|color|colour|target|m)$",
    re.IGNORECASE,
)
IMAGE_ENDS = re.compile(r"[ _.-](image|img|rgb|leftimg8bit|sat|photo|raw|input|i)$", re.IGNORECASE)


def role_of(folder: str) -> str | None:
    """Return "label" or "image" if the name of a folder says what it contains."""
    name = folder.lower()
    tokens = re.split(r"[^a-z]+", name)
    rest = "".join(tokens)
    for word in sorted(SPLIT_NAMES, key=len, reverse=True):
        rest = rest.removeprefix(word).removesuffix(word) if len(word) > 2 else rest
    for role, words in (("label", LABEL_WORDS), ("image", IMAGE_WORDS)):
        if any(word in tokens or word == rest or (len(word) > 4 and word in rest) for word in words):
            return role
    return None


def split_name(folder: str) -> str | None:
    """Return train, val or test if the name of a folder says so: train, Training, train_labels, trainannot, val2017."""
    rest = re.sub(r"(19|20)\d\d|[^a-z0-9]+", "_", folder.lower()).strip("_")  # test1 may be a recording
    for word in sorted((*LABEL_WORDS, *IMAGE_WORDS), key=len, reverse=True):
        rest = re.sub(f"^{word}_?|_?{word}$", "", rest)
    rest = rest.strip("_").removeprefix("instances_").removesuffix("_instances")
    return SPLIT_NAMES.get(rest)


def split_of(path: Path, root: Path) -> tuple[str | None, str]:
    """Return the split that the folders between `root` and a path name, if any, and the rest of them as a group."""
    split, rest = None, []
    for folder in path.relative_to(root).parts if path.is_relative_to(root) else ():
        if found := split_name(folder):
            split = found
        elif role_of(folder) is None:
            rest.append(folder)
    return split, "/".join(rest)


def base_stem(stem: str, role: str | None = None) -> str:
    """Return a stem without the ending that marks a label (or an image), such as _L, _mask or _leftImg8bit."""
    for ending in (LABEL_ENDS, IMAGE_ENDS) if role is None else ((LABEL_ENDS,) if role == "label" else (IMAGE_ENDS,)):
        shorter = ending.sub("", stem)
        if shorter:
            stem = shorter
    return stem
