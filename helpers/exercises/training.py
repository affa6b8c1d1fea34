"""Checks of the exercises of notebook 02."""

from __future__ import annotations

from collections.abc import Callable

from helpers.exercises.checking import Case, Result, check, equals


def check_polynomial_decay(function: Callable) -> Result:
    """Check `function(iteration, iterations, lr, lr_end, power)`: the learning rate of that iteration."""
    return check(
        function,
        [
            Case("the first of 100 iterations, from 0.1 to 0", (0, 100, 0.1, 0.0, 0.9), equals(0.1)),
            Case(
                "iteration 50 of 100 with power 1, from 0.1 to 0",
                (50, 100, 0.1, 0.0, 1.0),
                equals(0.05),
                "With power 1 the rate falls in a straight line: half of the iterations are left, so half of the rate.",
            ),
            Case("iteration 75 of 100 with power 2, from 0.16 to 0", (75, 100, 0.16, 0.0, 2.0), equals(0.01)),
            Case(
                "iteration 50 of 100 with power 1, from 0.1 to 0.02",
                (50, 100, 0.1, 0.02, 1.0),
                equals(0.06),
                "Only the difference lr - lr_end decays; add lr_end to the result.",
            ),
        ],
        hint="The remaining share of the run is 1 - iteration / iterations; raise only this share to the power.",
    )


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
        hint="A kernel of size k adds k - 1 steps; a step is the product of all strides before this kernel.",
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
        hint="The mean of the variances ignores the distance between the means: add the variance of the means.",
    )
