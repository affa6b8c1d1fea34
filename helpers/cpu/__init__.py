"""Faster operators for CPUs: the layers of a training step, and what happens to pixels before and after a network."""
