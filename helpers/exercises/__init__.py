"""Checks of the exercises, one module per notebook.

Each exercise in a notebook is a function with `...` as its body. The learner writes the body, and the last line of the
same cell checks it:

    def class_iou(matrix): ...  # your code: return IoU of each class, float (classes,)


    exercises.evaluation.check_iou(class_iou)

The solution follows in a markdown cell, folded: `<details><summary>Solution</summary>` around a ```python block that
defines the same function. `from helpers import exercises` is the only import.

A check calls the function with inputs whose results were worked out by hand. It reports the first wrong result, the
expected one and a hint, and never raises, so "Run All" continues past an unsolved exercise.
"""

from helpers.exercises import deployment, evaluation, explore, own_data, pruning, training

__all__ = ["deployment", "evaluation", "explore", "own_data", "pruning", "training"]
