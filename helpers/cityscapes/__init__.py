"""Prepare and verify Cityscapes data, without Paddle.

Label definitions come from cityscapesScripts (`cityscapesscripts.helpers.labels`). The folder layout is the official
one: `leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png` and `gtFine/<split>/<city>/<stem>_gtFine_*`.
Command line: `python -m helpers.cityscapes prepare|verify|statistics`.
"""

from helpers.cityscapes.frames import ANNOTATIONS
from helpers.cityscapes.labels import CITYSCAPES, LABELS, id_to_train_id

__all__ = ["ANNOTATIONS", "CITYSCAPES", "LABELS", "id_to_train_id"]
