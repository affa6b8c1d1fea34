"""Checks of the exercises of notebook 04."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from helpers.exercises.checking import Case, Result, check, equals


def check_macs(function: Callable) -> Result:
    """Check `function(kernel, in_channels, out_channels, groups, height, width)`: multiply-accumulates, an integer."""
    return check(
        function,
        [
            Case(
                "a 3x3 convolution from 2 to 4 channels with an output of 10 x 10 pixels",
                (3, 2, 4, 1, 10, 10),
                equals(7200),
                "Each of the 4 * 10 * 10 output values is a sum of 3 * 3 * 2 products.",
            ),
            Case(
                "a 1x1 convolution from 64 to 128 channels on one pixel",
                (1, 64, 128, 1, 1, 1),
                equals(8192),
                "With a 1x1 kernel on one pixel, each of the 128 outputs is a sum of 64 products.",
            ),
            Case(
                "a depthwise 3x3 convolution of 8 channels in 8 groups with an output of 10 x 10 pixels",
                (3, 8, 8, 8, 10, 10),
                equals(7200),
                "With g groups, each output channel reads only in_channels / g input channels.",
            ),
        ],
    )


def check_kept_filters(function: Callable) -> Result:
    """Check `function(weight, count)`: float (filters, channels, k, k) to the `count` kept filters, ascending."""
    bank = np.array([0.1, 0.9, 0.5, 0.2]).reshape(4, 1, 1, 1)
    return check(
        function,
        [
            Case("four filters of norm 0.1, 0.9, 0.5, 0.2, keeping 2", (bank, 2), equals(np.array([1, 2]))),
            Case(
                "the same with the second filter negative",
                (bank * np.array([1, -1, 1, 1]).reshape(4, 1, 1, 1), 2),
                equals(np.array([1, 2])),
                "A large negative weight matters as much as a positive one: take absolute values.",
            ),
            Case(
                "filters (1, 1) and (0, 1.5) of two channels, keeping 1",
                (np.array([[1, 1], [0, 1.5]]).reshape(2, 2, 1, 1), 1),
                equals(np.array([0])),
                "The norm of a filter covers all of its input channels and positions.",
            ),
            Case(
                "norms 2, 1, 3, keeping 2",
                (np.array([2.0, 1, 3]).reshape(3, 1, 1, 1), 2),
                equals(np.array([0, 2])),
                "Channels keep their order: sort the kept indices.",
            ),
        ],
    )


def check_aligned_macs(function: Callable) -> Result:
    """Check `function(in_channels, out_channels, block)`: multiply-accumulates of a 1x1 convolution in whole blocks."""
    return check(
        function,
        [
            Case("16 to 32 channels in blocks of 16", (16, 32, 16), equals(512)),
            Case("17 to 32 channels in blocks of 16", (17, 32, 16), equals(1024)),
            Case("3 to 19 channels in blocks of 8", (3, 19, 8), equals(192)),
            Case("5 to 7 channels in blocks of 1", (5, 7, 1), equals(35)),
        ],
        hint="Round each channel count up to the next multiple of the block, then multiply. -(-a // b) divides and "
        "rounds up.",
    )
