"""Call a learner's function with known cases and report the first wrong result, without raising."""

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

    `what` describes the input and follows "for" in the message. `verdict` takes the returned value and returns None if
    it is right, else what is wrong; see `equals`. `hint` is shown after a wrong result.
    """

    what: str
    arguments: tuple
    verdict: Callable[[Any], str | None]
    hint: str = ""


@dataclass(frozen=True)
class Result:
    """Whether an exercise is solved, and a message; displays itself as the last value of a cell."""

    solved: bool
    message: str

    def __repr__(self) -> str:
        return f"{'✔' if self.solved else '…'} {self.message}"

    def _repr_html_(self) -> str:
        colour = "#2e7d32" if self.solved else "#b26a00"
        return f'<div style="border-left: 4px solid {colour}; padding-left: 0.7em">{escape(repr(self))}</div>'


def check(function: Callable, cases: Sequence[Case], hint: str = "") -> Result:
    """Call `function` with each case and report the first wrong one; `hint` is for cases without their own."""
    name = function.__name__
    for case in cases:
        try:
            returned = function(*copy.deepcopy(case.arguments))
        except Exception as error:  # a learner's code may raise anything, and the notebook must continue
            wrong = f"it raises {type(error).__name__}: {error}"
        else:
            if returned is None:
                return Result(False, f"{name} returns nothing yet: write its body, then run this cell again.")
            wrong = case.verdict(returned)
        if wrong:
            return Result(False, f"{name}, for {case.what}: {wrong}. {case.hint or hint}".rstrip())
    return Result(True, f"{name} passes all {len(cases)} checks.")


def equals(expected: Any, tolerance: float = 1e-6) -> Callable[[Any], str | None]:
    """Return a verdict for `expected`, a number or an array: same shape and values; integers must match exactly."""
    target = np.asarray(expected)

    def verdict(returned: Any) -> str | None:
        try:
            got = np.asarray(returned)
            if got.dtype == object or not (np.issubdtype(got.dtype, np.number) or got.dtype == bool):
                return f"it returns {_brief(returned)}, not numbers"
        except ValueError:  # a ragged list
            return f"it returns {_brief(returned)}, not an array"
        if got.shape != target.shape:
            return f"the result has shape {got.shape}, expected {target.shape}"
        exact = np.issubdtype(target.dtype, np.integer)
        same = got == target if exact else np.isclose(got, target, atol=tolerance, rtol=0, equal_nan=True)
        if np.all(same):
            return None
        if not target.shape:
            return f"the result is {_brief(got)}, expected {_brief(target)}"
        at = tuple(int(i) for i in np.argwhere(~same)[0])
        position = at[0] if len(at) == 1 else at
        return f"the result at {position} is {_brief(got[at])}, expected {_brief(target[at])}"

    return verdict


def _brief(value: Any) -> str:
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        return f"{value.item():.6g}" if isinstance(value.item(), float) else str(value.item())
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
