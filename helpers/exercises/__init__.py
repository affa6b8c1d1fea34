"""Checks of the exercises: they tell what is missing and never raise, so that Run All goes through.

The learner writes the body of a function; a check calls it with inputs that were worked by hand and says, in one
message, the first thing that is not right yet, what was expected there, and where to look.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call of the learner's function.

    `what`: the input in words, to follow "for". `verdict`: takes what the function returned and gives None when it is
    right, else what is wrong with it; see `equals`. `hint`: where to look when it is wrong.
    """

    what: str
    arguments: tuple
    verdict: Callable[[Any], str | None]
    hint: str = ""


@dataclass(frozen=True)
class Result:
    """Whether an exercise is solved, and a message; as the last line of a cell it shows itself."""

    solved: bool
    message: str

    def __repr__(self) -> str:
        return f"{'✔' if self.solved else '…'} {self.message}"

    def _repr_html_(self) -> str:
        colour = "#2e7d32" if self.solved else "#b26a00"
        return f'<div style="border-left: 4px solid {colour}; padding-left: 0.7em">{escape(repr(self))}</div>'


def check(function: Callable, cases: Sequence[Case]) -> Result:
    """Call `function` with each case; the first that is not right makes the message."""
    name = function.__name__
    for case in cases:
        try:
            returned = function(*copy.deepcopy(case.arguments))
        except Exception as error:  # a learner's code may raise anything, and the notebook has to go on
            wrong = f"it raises {type(error).__name__}: {error}"
        else:
            if returned is None:
                return Result(False, f"{name} returns nothing yet: write its body, then run this cell again.")
            wrong = case.verdict(returned)
        if wrong:
            return Result(False, f"{name}, for {case.what}: {wrong}." + f" {case.hint}" * bool(case.hint))
    return Result(True, f"{name} is right in all {len(cases)} checks.")


def equals(expected: Any, tolerance: float = 1e-6) -> Callable[[Any], str | None]:
    """A verdict: the same shape and values as `expected`, a number or an array; whole numbers are compared exactly."""
    wanted = np.asarray(expected)

    def verdict(returned: Any) -> str | None:
        try:
            got = np.asarray(returned)
            if got.dtype == object or not (np.issubdtype(got.dtype, np.number) or got.dtype == bool):
                return f"it returns {_brief(returned)}, not numbers"
        except ValueError:  # a ragged list
            return f"it returns {_brief(returned)}, not an array"
        if got.shape != wanted.shape:
            return f"the result has shape {got.shape}, expected {wanted.shape}"
        exact = np.issubdtype(wanted.dtype, np.integer)
        same = got == wanted if exact else np.isclose(got, wanted, atol=tolerance, rtol=0, equal_nan=True)
        if np.all(same):
            return None
        if not wanted.shape:
            return f"the result is {_brief(got)}, expected {_brief(wanted)}"
        at = tuple(int(i) for i in np.argwhere(~same)[0])
        place = at[0] if len(at) == 1 else at
        return f"the result at {place} is {_brief(got[at])}, expected {_brief(wanted[at])}"

    return verdict


def _brief(value: Any) -> str:
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        return f"{value.item():.6g}" if isinstance(value.item(), float) else str(value.item())
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
