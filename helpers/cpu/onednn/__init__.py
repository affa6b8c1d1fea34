"""Convolutions, alone or with batch norm and ReLU, by the oneDNN that Paddle brings but does not train with."""

from helpers.cpu.onednn.blocks import Block, convolve_normalise
from helpers.cpu.onednn.blocks import fits as fits_normalised
from helpers.cpu.onednn.convolution import conv2d, fits
from helpers.cpu.onednn.library import available

__all__ = ["Block", "available", "conv2d", "convolve_normalise", "fits", "fits_normalised"]
