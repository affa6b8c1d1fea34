"""MiniScapes: synthetic street scenes in exact Cityscapes layout, made on this machine, the same bytes for the same seed."""

from helpers.miniscapes.published import PIXEL_SHARE
from helpers.miniscapes.write import MARKER, VERSION, generate

__all__ = ["MARKER", "PIXEL_SHARE", "VERSION", "generate"]
