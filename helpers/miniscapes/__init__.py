"""MiniScapes: synthetic street scenes in the Cityscapes layout, generated from a seed."""

from helpers.miniscapes.drive import drive
from helpers.miniscapes.published import FRAME_SHARE, INSTANCES_PER_FRAME, PIXEL_SHARE
from helpers.miniscapes.write import MARKER, VERSION, generate

__all__ = ["FRAME_SHARE", "INSTANCES_PER_FRAME", "MARKER", "PIXEL_SHARE", "VERSION", "drive", "generate"]
