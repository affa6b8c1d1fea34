"""Exercises of the notebooks: predictions, and checks of code, one module of checks per notebook.

A prediction asks before an experiment and is compared with the measurement after it. Question and explanation stand in
markdown cells around these cells:

    thin = exercises.predict("pole", "road", "sky")  # or a number: predict(unit="ms", between=(0, 100))
    thin

    thin.compare(nb.classes.names[worst])

An exercise in code is a function with `...` as its body. The learner writes the body, and the last line of the same
cell checks it:

    def class_iou(matrix): ...  # your code: return IoU of each class, float (classes,)


    exercises.evaluation.check_iou(class_iou)

The solution follows in a markdown cell, folded: `<details><summary>Solution</summary>` around a ```python block that
defines the same function. `from helpers import exercises` is the only import.

A check calls the function with inputs whose results were worked out by hand. It reports the first wrong result, the
expected one and a hint: of the typical mistake that returns the same, or of the input. Neither predictions nor checks
raise, so "Run All" continues past unsolved exercises.
"""

from helpers.exercises import deployment, evaluation, explore, own_data, pruning, training
from helpers.exercises.predicting import predict

__all__ = ["deployment", "evaluation", "explore", "own_data", "predict", "pruning", "training"]
