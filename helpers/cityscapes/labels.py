"""The Cityscapes label table from cityscapesScripts, and the values that its annotations may hold."""

from __future__ import annotations

import numpy as np
from cityscapesscripts.helpers.labels import labels as LABELS

from helpers.cityscapes.frames import layout
from helpers.datasets.classes import IGNORE, Classes

CITYSCAPES: Classes = layout("").classes  # the 19 evaluated classes

LABEL_IDS_ALLOWED: np.ndarray = np.zeros(256, dtype=bool)  # lookup: is this value valid in labelIds?
LABEL_IDS_ALLOWED[[label.id for label in LABELS if label.id >= 0]] = True
INSTANCE_IDS_ALLOWED: np.ndarray = np.zeros(1 << 16, dtype=bool)  # and for instanceIds: 26 and 26000 to 26999
INSTANCE_IDS_ALLOWED[:256] = LABEL_IDS_ALLOWED
for _label in LABELS:
    if _label.hasInstances and _label.id >= 0:
        INSTANCE_IDS_ALLOWED[_label.id * 1000 : (_label.id + 1) * 1000] = True


def id_to_train_id() -> np.ndarray:
    """Return a lookup table, uint8 (256,), from label id to train id; other ids map to IGNORE."""
    table = np.full(256, IGNORE, dtype=np.uint8)
    for label in LABELS:
        if label.id >= 0 and 0 <= label.trainId < IGNORE:
            table[label.id] = label.trainId
    return table
