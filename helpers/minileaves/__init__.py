"""MiniLeaves: a small synthetic data set of leaves with spots, annotated as LabelMe does, with the usual mistakes."""

from helpers.minileaves.mistakes import MISTAKES, Mistake
from helpers.minileaves.write import VERSION, generate

__all__ = ["MISTAKES", "VERSION", "Mistake", "generate"]
