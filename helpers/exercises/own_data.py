"""Checks of notebook 06: find planted mistakes, choose a split, weigh a rare class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from helpers.exercises.checking import Case, Result, check, equals
from helpers.minileaves import MISTAKES

_FRAMES = [f"plant_{plant:02d}/{shot:02d}" for plant in range(8) for shot in range(5)]


def check_mistakes(found: Iterable[str]) -> Result:
    """Check the names of the photographs with a planted mistake, such as "plant_00/05"."""
    names, planted = set(found), {mistake.frame: mistake.text for mistake in MISTAKES}
    if not names:
        return Result(False, "The list is empty yet: fill it, then run this cell again.")
    wrong, missing = sorted(names - planted.keys()), sorted(planted.keys() - names)
    if wrong:
        hint = "name the original instead" if "copy" in wrong[0] else "nothing was planted there"
        return Result(
            False,
            f"{wrong[0]} is not a planted mistake: {hint}. {len(planted) - len(missing)} of {len(planted)} are found.",
        )
    if missing:
        kind = planted[missing[0]].split(":")[0]
        return Result(False, f"{len(names)} of {len(planted)} found. Look for this one: {kind}.")
    return Result(True, f"All {len(planted)} mistakes found.")


def check_split(function: Callable[[list[str]], Sequence[str]]) -> Result:
    """Check `function(frames)`: names "plant_03/05" to those of the val split, without a plant on both sides."""

    def verdict(frames: list[str]) -> Callable[[Sequence[str]], str | None]:
        def judge(returned: Sequence[str]) -> str | None:
            val = set(returned)
            if not val <= set(frames):
                return f"{sorted(map(str, val - set(frames)))[0]} is not one of the frames"
            train = set(frames) - val
            both = {name.split("/")[0] for name in val} & {name.split("/")[0] for name in train}
            if both:
                return f"{sorted(both)[0]} has frames in train and in val"
            if not train:
                return "no frame is left for train"
            if len(val) < len(frames) / 5:
                return f"val has {len(val)} of {len(frames)} frames, less than a fifth"
            return None

        return judge

    uneven = [f"plant_00/{shot:02d}" for shot in range(2)] + [f"plant_01/{shot:02d}" for shot in range(10)]
    uneven += [f"plant_02/{shot:02d}" for shot in range(3)]
    return check(
        function,
        [
            Case("eight plants with five frames each", (_FRAMES,), verdict(_FRAMES), "Choose plants, not frames."),
            Case("the same frames in another order", (_FRAMES[::-1],), verdict(_FRAMES), "Do not rely on the order."),
            Case("plants with 2, 10 and 3 frames", (uneven,), verdict(uneven), "Count frames, not plants."),
        ],
    )


def check_weights(function: Callable[[np.ndarray], np.ndarray]) -> Result:
    """Check `function(share)`: shares of the pixels to weights that balance the classes, float (classes,)."""
    return check(
        function,
        [
            Case(
                "shares 0.8 and 0.2",
                (np.array([0.8, 0.2]),),
                equals(np.array([0.625, 2.5])),
                "Weight times share must be the same for every class, and sum to 1.",
            ),
            Case(
                "three equal shares", (np.full(3, 1 / 3),), equals(np.ones(3)), "Equal classes have the weight 1 each."
            ),
            Case(
                "a class without pixels",
                (np.array([0.5, 0.0, 0.5]),),
                equals(np.array([1.0, 0.0, 1.0])),
                "1 / 0 is infinite: give such a class the weight 0, and do not count it.",
            ),
        ],
    )
