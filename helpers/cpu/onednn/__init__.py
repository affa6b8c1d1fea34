"""Convolutions by oneDNN, which Paddle ships but does not train with."""

from helpers.cpu.onednn.convolution import conv2d, fits
from helpers.cpu.onednn.library import available

__all__ = ["available", "conv2d", "fits"]
