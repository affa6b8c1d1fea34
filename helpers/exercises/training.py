"""Checks of the exercises in notebook 02."""

from __future__ import annotations

from collections.abc import Callable

from helpers.exercises import Case, Result, check, equals


def check_polynomial_decay(function: Callable) -> Result:
    """`function(iteration, iterations, lr, lr_end, power)` to the learning rate of that iteration."""
    hint = "The share of the run that is left is 1 - iteration / iterations; only that share is raised to the power."
    return check(
        function,
        [
            Case("the first of 100 iterations, from 0.1 to 0", (0, 100, 0.1, 0.0, 0.9), equals(0.1), hint),
            Case("iteration 50 of 100 with power 1", (50, 100, 0.1, 0.0, 1.0), equals(0.05), hint),
            Case("iteration 75 of 100 with power 2", (75, 100, 0.16, 0.0, 2.0), equals(0.01), hint),
            Case(
                "iteration 50 of 100 with power 1, from 0.1 to 0.02",
                (50, 100, 0.1, 0.02, 1.0),
                equals(0.06),
                "What decays is the difference between the two rates; the end rate is added again.",
            ),
        ],
    )


def check_receptive_field(function: Callable) -> Result:
    """`function(kernels, strides)` to the side, in pixels of the image, of what one output value has seen."""
    hint = "A kernel of size k adds k - 1 steps, and a step is as wide as the product of all strides before it."
    return check(
        function,
        [
            Case("one 3x3 convolution", ([3], [1]), equals(3), hint),
            Case("three 3x3 convolutions without stride", ([3, 3, 3], [1, 1, 1]), equals(7), hint),
            Case("a 1x1 convolution", ([1], [1]), equals(1), hint),
            Case("two 3x3 convolutions with stride 2, as in HRNet's stem", ([3, 3], [2, 2]), equals(7), hint),
            Case("kernels 7, 3, 3 with strides 2, 2, 1", ([7, 3, 3], [2, 2, 1]), equals(19), hint),
        ],
    )


def check_joint_statistics(function: Callable) -> Result:
    """`function(means, variances)` of equally large parts to (mean, variance) of all values together."""
    hint = (
        "Each variance is taken around its own mean. How far the means lie apart is missing in their average: the "
        "variance of all is the mean of the variances plus the variance of the means."
    )
    return check(
        function,
        [
            Case("two parts that are alike", ([1.0, 1.0], [4.0, 4.0]), equals([1.0, 4.0]), hint),
            Case(
                "a dark and a bright image, each without contrast", ([0.0, 1.0], [0.0, 0.0]), equals([0.5, 0.25]), hint
            ),
            Case("four parts", ([1.0, 3.0, 1.0, 3.0], [1.0, 2.0, 3.0, 2.0]), equals([2.0, 3.0]), hint),
        ],
    )
