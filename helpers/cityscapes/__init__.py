"""Read, prepare, verify and count Cityscapes data, without Paddle.

Label definitions come from cityscapesScripts (`cityscapesscripts.helpers.labels`). The folder layout is the official
one: `leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png` and `gtFine/<split>/<city>/<stem>_gtFine_*`.
Command line: `python -m helpers.cityscapes prepare|verify|statistics`.
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
