"""The Cityscapes label table from cityscapesScripts: ids, train ids, names and colours."""

from __future__ import annotations

import numpy as np
from cityscapesscripts.helpers.labels import labels as LABELS

IGNORE = 255
_EVALUATED = sorted((label for label in LABELS if 0 <= label.trainId < IGNORE), key=lambda label: label.trainId)
CLASSES: tuple[str, ...] = tuple(label.name for label in _EVALUATED)
PALETTE: np.ndarray = np.array([label.color for label in _EVALUATED], dtype=np.uint8)  # (19, 3) RGB
NUM_CLASSES = len(CLASSES)
# Train ids of the classes with annotated instances (person to bicycle).
INSTANCE_CLASSES: tuple[int, ...] = tuple(label.trainId for label in _EVALUATED if label.hasInstances)

TRAIN_IDS_ALLOWED: np.ndarray = np.zeros(256, dtype=bool)  # lookup: is this value valid in labelTrainIds?
TRAIN_IDS_ALLOWED[[*range(NUM_CLASSES), IGNORE]] = True
LABEL_IDS_ALLOWED: np.ndarray = np.zeros(256, dtype=bool)  # the same for labelIds
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


def colorize(train_ids: np.ndarray) -> np.ndarray:
    """Return the official colours of integer train ids (H, W) as uint8 (H, W, 3) RGB; IGNORE is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[:NUM_CLASSES] = PALETTE
    return table[train_ids]
