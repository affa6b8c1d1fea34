"""Checks of notebook 06: find planted mistakes, choose a split, weigh a rare class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from helpers.exercises.checking import Case, Mistake, Result, check, equals
from helpers.minileaves import MISTAKES

_FRAMES = [f"plant_{plant:02d}/{shot:02d}" for plant in range(8) for shot in range(6)]


def check_mistakes(found: Iterable[str]) -> Result:
    """Check the names of the photographs with a planted mistake, such as "plant_00/05"."""
    planted = {mistake.frame: mistake.text for mistake in MISTAKES}
    misspelt = next(frame for frame, text in planted.items() if "misspelt" in text)
    known = (
        Mistake([frame for frame in planted if frame != misspelt], "Look for this one: a label is misspelt"),
        Mistake([*planted, "plant_02/copy_of_00"], "name the original instead"),
        Mistake([*planted, "plant_00/00"], "nothing was planted there"),
    )
    return replace(_judge_mistakes(found, planted), mistakes=known)


def _judge_mistakes(found: Iterable[str], planted: dict[str, str]) -> Result:
    try:
        names = {str(name) for name in ([found] if isinstance(found, str) else found) if name is not ...}
    except TypeError:
        return Result(False, f'Expected names such as ["plant_00/05"], got {found!r}: write a list.')
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

    def plants(frames: list[str]) -> list[str]:
        return sorted({name.split("/")[0] for name in frames})

    def of_plants(frames: list[str], chosen: Sequence[str]) -> list[str]:
        return [name for name in frames if name.split("/")[0] in chosen]

    mistakes = [
        Mistake(
            lambda frames: frames[: -(-len(frames) // 5)], "The end of a fifth cuts through a plant: choose plants."
        ),
        Mistake(lambda frames: frames[::5], "Every fifth frame takes one of each plant. Choose plants, not frames."),
        Mistake(
            lambda frames: of_plants(frames, plants(frames)[: -(-len(plants(frames)) // 5)]),
            "A fifth of the plants need not hold a fifth of the frames: count frames.",
        ),
        Mistake(lambda frames: list(frames), "Something must remain to train on."),
    ]
    uneven = [f"plant_00/{shot:02d}" for shot in range(2)] + [f"plant_01/{shot:02d}" for shot in range(10)]
    uneven += [f"plant_02/{shot:02d}" for shot in range(3)]
    return check(
        function,
        [
            Case("eight plants with six frames each", (_FRAMES,), verdict(_FRAMES), "Choose plants, not frames."),
            Case("the same frames in another order", (_FRAMES[::-1],), verdict(_FRAMES), "Do not rely on the order."),
            Case("plants with 2, 10 and 3 frames", (uneven,), verdict(uneven), "Count frames, not plants."),
        ],
        mistakes=mistakes,
    )


def check_weights(function: Callable[[np.ndarray], np.ndarray]) -> Result:
    """Check `function(share)`: shares of the pixels to weights that balance the classes, float (classes,)."""

    def inverse(share: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return 1 / share

    mistakes = [
        Mistake(inverse, "The classes now contribute 1 each, and together as many as there are classes, not 1."),
        Mistake(
            lambda share: 1 - share,
            "Half the share needs twice the weight: weight times share must be the same for every class.",
        ),
        Mistake(
            lambda share: inverse(share) / len(share),
            "1 / 0 is infinite: give a class without pixels the weight 0, and do not count it.",
        ),
        Mistake(
            lambda share: np.where(share > 0, inverse(share), 0) / len(share),
            "Divide by the number of classes that have pixels: the others contribute nothing to the sum.",
        ),
    ]
    return check(
        function,
        [
            Case(
                "shares 0.7, 0.2 and 0.1",
                (np.array([0.7, 0.2, 0.1]),),
                equals(1 / (3 * np.array([0.7, 0.2, 0.1]))),
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
        mistakes=mistakes,
    )
