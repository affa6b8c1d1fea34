"""Train a network: loop, schedule, losses, checkpoints that survive a kill, training over several processes.

PaddleSeg's own loop (`paddleseg.core.train`) fails on Paddle 3: it indexes the loss, which is 0-D since Paddle 2.5.
`python -m helpers.training` trains one network of a profile, alone or under `python -m paddle.distributed.launch`.
"""

from helpers.training.history import BEST, HISTORY, History, load_history, load_recipe
from helpers.training.loop import fit
from helpers.training.losses import LOSSES, accumulating, class_weights, segmentation_loss
from helpers.training.schedule import learning_rate, scaled
from helpers.training.starting import train_or_load

__all__ = [
    "BEST",
    "HISTORY",
    "LOSSES",
    "History",
    "accumulating",
    "class_weights",
    "fit",
    "learning_rate",
    "load_history",
    "load_recipe",
    "scaled",
    "segmentation_loss",
    "train_or_load",
]
