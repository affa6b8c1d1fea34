"""Figures of the course: one module per notebook, on top of what they share.

`from helpers import plotting` is enough for every figure:

    plotting.frame_grid(images, titles)                         # shared by all notebooks, from `plotting.base`
    plotting.architecture.fastscnn(cost)                        # drawings of networks
    plotting.data.class_bars(series, "pixels", classes)         # notebook 01
    plotting.training.loss_curves(losses)                       # notebook 02
    plotting.evaluation.confusion(matrix, classes.names)        # notebook 03
    plotting.pruning.sensitivity_curves(curves)                 # notebook 04
    plotting.deployment.waterfall(steps)                        # notebook 05

Every function draws on the axes it is given, or on a new figure, and returns what it drew on. None of them calls
`plt.show`: a notebook shows a figure at the end of its cell, and a `;` after the last call hides the printed return
value. Nothing in this package imports Paddle.
"""

from helpers.plotting import architecture, data, deployment, evaluation, pruning, training
from helpers.plotting.alternative_text import describe, show_in_notebooks
from helpers.plotting.base import caption, class_colours, class_legend, frame_grid, overlay, show_image

__all__ = [
    "architecture",
    "caption",
    "class_colours",
    "class_legend",
    "data",
    "deployment",
    "describe",
    "evaluation",
    "frame_grid",
    "overlay",
    "pruning",
    "show_image",
    "training",
]

show_in_notebooks()
