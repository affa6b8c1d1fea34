"""Prepare and verify Cityscapes data, without Paddle.

Label definitions come from cityscapesScripts (`cityscapesscripts.helpers.labels`). The folder layout is the official
one: `leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png` and `gtFine/<split>/<city>/<stem>_gtFine_*`.
Command line: `python -m helpers.cityscapes prepare|verify|statistics`.
"""

from helpers.cityscapes.frames import ANNOTATIONS
from helpers.cityscapes.labels import CITYSCAPES, LABELS, id_to_train_id

# In transition: use `Dataset.classes`.
from helpers.datasets import find_dataset, open_dataset

CLASSES, PALETTE, NUM_CLASSES, colorize = CITYSCAPES.names, CITYSCAPES.palette, len(CITYSCAPES), CITYSCAPES.colorize


def index(root, split):
    return open_dataset(root).frames(split)


def find_root(data_root, default):
    return find_dataset(data_root, default).root


def splits(root):
    return open_dataset(root).existing_splits()


__all__ = ["ANNOTATIONS", "CITYSCAPES", "LABELS", "id_to_train_id"]
