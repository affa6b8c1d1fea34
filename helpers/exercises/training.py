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
