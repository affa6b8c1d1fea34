"""Checks of the exercises of notebook 02."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.exercises.checking import Case, Mistake, Result, check, equals


def check_receptive_field(function: Callable) -> Result:
    """Check `function(kernels, strides)`: the side of the receptive field of one output value, in image pixels."""
    return check(
        function,
        [
            Case("one 3x3 convolution", ([3], [1]), equals(3)),
            Case("three 3x3 convolutions without stride", ([3, 3, 3], [1, 1, 1]), equals(7)),
            Case("a 1x1 convolution", ([1], [1]), equals(1)),
            Case("two 3x3 convolutions with stride 2, as in HRNet's stem", ([3, 3], [2, 2]), equals(7)),
            Case("kernels 7, 3, 3 with strides 2, 2, 1", ([7, 3, 3], [2, 2, 1]), equals(19)),
        ],
        hint="Start with one pixel. A kernel of size k adds k - 1 steps of the map that it reads.",
        mistakes=[
            Mistake(_field_without_strides, "After a stride of 2, a step of the map is 2 pixels: track the step."),
            Mistake(_field_with_own_stride, "A kernel reads the map before its own stride: multiply after adding."),
            Mistake(
                _field_of_single_strides,
                "Strides multiply: the step of a map is the product of all strides before it.",
            ),
            Mistake(_field_of_whole_kernels, "The kernels overlap: the first value of each is already counted."),
        ],
    )


def _field_without_strides(kernels, strides):
    return 1 + sum(kernel - 1 for kernel in kernels)


def _field_with_own_stride(kernels, strides):
    steps = np.cumprod(strides)
    return 1 + sum((kernel - 1) * int(step) for kernel, step in zip(kernels, steps, strict=True))


def _field_of_single_strides(kernels, strides):
    return 1 + sum((kernel - 1) * stride for kernel, stride in zip(kernels, strides, strict=True))


def _field_of_whole_kernels(kernels, strides):
    steps = np.cumprod([1, *strides[:-1]])
    return sum(kernel * int(step) for kernel, step in zip(kernels, steps, strict=True))


def attempt(function: Callable, *arguments):
    """Return the result of a learner's function, or the name of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:  # the notebook must continue
        return type(error).__name__


def check_mean_loss(function: Callable) -> Result:
    """Check `function(losses, label)`: the mean loss of the labelled pixels, 0 if there are none.

    `losses` is float (H, W), `label` uint8 (H, W) of train ids, 255 for ignored pixels.
    """
    losses = np.array([[4.0, 2.0], [6.0, 100.0]])
    return check(
        function,
        [
            Case("a crop with labels everywhere", (losses, np.uint8([[0, 1], [2, 2]])), equals(28.0)),
            Case("a crop with one ignored pixel", (losses, np.uint8([[0, 1], [2, 255]])), equals(4.0)),
            Case("a crop of class 0, with one ignored pixel", (losses, np.uint8([[0, 0], [0, 255]])), equals(4.0)),
            Case("a crop whose pixels are all ignored", (losses, np.full((2, 2), 255, np.uint8)), equals(0.0)),
        ],
        hint="Keep the losses where the label is not 255, and divide by how many there are.",
        mistakes=[
            Mistake(
                lambda losses, label: losses.mean(),
                "Nobody knows what ignored pixels show, so their loss must not count: select the others first.",
            ),
            Mistake(
                lambda losses, label: (losses * (label != 255)).mean(),
                "This divides by all pixels, so a crop with few labels gets a small loss: divide by the labelled ones.",
            ),
            Mistake(
                lambda losses, label: losses[(label > 0) & (label < 255)].mean() if (label < 255).any() else 0.0,
                "Class 0 is a class like any other; only 255 is ignored.",
            ),
            Mistake(
                lambda losses, label: losses[label != 255].mean() if (label != 255).any() else np.nan,
                "Zero losses by zero pixels is 0/0, NaN. One such crop would turn every weight into NaN: return 0.",
            ),
        ],
    )


def check_joint_statistics(function: Callable) -> Result:
    """Check `function(means, variances)` of parts of equal size: (mean, variance) of all values together."""
    return check(
        function,
        [
            Case(
                "two parts with the same statistics",
                ([1.0, 1.0], [4.0, 4.0]),
                equals([1.0, 4.0]),
                "Return a pair: the mean of all values, then their variance.",
            ),
            Case("a dark and a bright image, each without contrast", ([0.0, 1.0], [0.0, 0.0]), equals([0.5, 0.25])),
            Case("four parts", ([1.0, 3.0, 1.0, 3.0], [1.0, 2.0, 3.0, 2.0]), equals([2.0, 3.0])),
        ],
        hint="Two things spread the values: the variance within each part, and the distance between the means.",
        mistakes=[
            Mistake(
                lambda means, variances: (np.mean(means), np.mean(variances)),
                "The mean of the variances ignores the distance between the means: add the variance of the means.",
            ),
            Mistake(
                lambda means, variances: (np.mean(means), np.mean(variances) + np.mean(np.square(means))),
                "This is the mean of the squared values: subtract the square of the joint mean.",
            ),
        ],
    )
