"""Faster operators for CPUs: layers of a training step, pre- and postprocessing of pixels, counting."""
