"""Figures of the course, one module per notebook on top of `base`.

Every function takes the axes to draw on, or makes a figure of its own, and returns what it drew on. None shows
anything: in a notebook a figure appears at the end of its cell, and a `;` after the last call hides the printed
return value. Nothing here knows Paddle.
"""

from helpers.plotting import evaluation, training
from helpers.plotting.base import caption, class_legend, frame_grid, overlay, present_classes, show_image

__all__ = [
    "caption",
    "class_legend",
    "evaluation",
    "frame_grid",
    "overlay",
    "present_classes",
    "show_image",
    "training",
]
