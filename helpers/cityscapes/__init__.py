"""Cityscapes on disk: the label table, the frames, preparing, verifying, counting. Knows nothing of Paddle.

The label definitions are those of cityscapesScripts (`cityscapesscripts.helpers.labels`); the folder layout is the
official one, `leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png` beside `gtFine/<split>/<city>/<stem>_gtFine_*.png`.
On the command line: `python -m helpers.cityscapes prepare|verify|statistics`.
"""

from helpers.cityscapes.frames import (
    ANNOTATIONS,
    SPLITS,
    Frame,
    class_pixels,
    find_root,
    index,
    read_image,
    read_label,
    splits,
)
from helpers.cityscapes.labels import (
    CLASSES,
    IGNORE,
    INSTANCE_CLASSES,
    LABELS,
    NUM_CLASSES,
    PALETTE,
    colorize,
    id_to_train_id,
)

__all__ = [
    "ANNOTATIONS",
    "CLASSES",
    "IGNORE",
    "INSTANCE_CLASSES",
    "LABELS",
    "NUM_CLASSES",
    "PALETTE",
    "SPLITS",
    "Frame",
    "class_pixels",
    "colorize",
    "find_root",
    "id_to_train_id",
    "index",
    "read_image",
    "read_label",
    "splits",
]
