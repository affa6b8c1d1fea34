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
class Mistake:
    """A typical wrong answer: a function that makes the mistake, and the hint for learners whose function agrees."""

    answer: Callable
    hint: str


@dataclass(frozen=True)
class Result:
    """Whether an exercise is solved, and a message; displays itself as the last value of a cell.

    `folded` is an answer that is shown on request; `mistakes` are those that the check knows, for tests.
    """

    solved: bool
    message: str
    folded: str = ""
    mistakes: tuple[Mistake, ...] = ()

    def __repr__(self) -> str:
        return " ".join(filter(None, ("✔" if self.solved else "…", self.message, self.folded)))

    def _repr_html_(self) -> str:
        colour = "#2e7d32" if self.solved else "#b26a00"
        text = escape(f"{'✔' if self.solved else '…'} {self.message}")
        if self.folded:
            text += f"<details><summary>Answer</summary>{escape(self.folded)}</details>"
        return f'<div style="border-left: 4px solid {colour}; padding-left: 0.7em">{text}</div>'


def check(function: Callable, cases: Sequence[Case], hint: str = "", mistakes: Sequence[Mistake] = ()) -> Result:
    """Call `function` with each case and report the first wrong result.

    The hint is the one of the first mistake that returns the same wrong result; else the one of the case; else `hint`.
    """
    name, known = getattr(function, "__name__", "Your function"), tuple(mistakes)
    for number, case in enumerate(cases):
        outcome = _call(function, case)
        if outcome is None and number == 0:
            message = f"{name} returns nothing yet: write its body, then run this cell again."
            return Result(False, message, mistakes=known)
        if wrong := _wrong(outcome, case):
            made = (mistake.hint for mistake in known if _agree(outcome, _call(mistake.answer, case)))
            advice = next(made, case.hint or hint)
            return Result(False, f"{name}, for {case.what}: {wrong}. {advice}".rstrip(), mistakes=known)
    return Result(True, f"{name} passes all {len(cases)} checks.", mistakes=known)


def _call(function: Callable, case: Case) -> Any:
    """Return the result, or the exception: a learner's code may raise anything, and the notebook must continue."""
    try:
        return function(*copy.deepcopy(case.arguments))
    except Exception as error:
        return error


def _wrong(outcome: Any, case: Case) -> str | None:
    if outcome is None:
        return "it returns nothing"
    if isinstance(outcome, Exception):
        return f"it raises {type(outcome).__name__}: {outcome}"
    try:
        return case.verdict(outcome)
    except Exception:  # a learner's code may return anything
        return f"it returns a value of type {type(outcome).__name__}, which cannot be compared"


def _agree(outcome: Any, other: Any) -> bool:
    if isinstance(outcome, Exception) or isinstance(other, Exception):
        return type(outcome) is type(other)
    try:
        return repr(outcome) == repr(other) or (_is_numeric(other) and equals(other)(outcome) is None)
    except Exception:
        return False


def _is_numeric(value: Any) -> bool:
    """Return whether a value holds numbers only; raise ValueError for a ragged list."""
    array = np.asarray(value)
    return np.issubdtype(array.dtype, np.number) or array.dtype == bool


def equals(expected: Any, tolerance: float = 1e-6) -> Callable[[Any], str | None]:
    """Return a verdict for `expected`, a number or an array: same shape and values; integers must match exactly."""
    target = np.asarray(expected)

    def verdict(returned: Any) -> str | None:
        try:
            if not _is_numeric(returned):
                return f"it returns {_brief(returned)}, not numbers"
        except ValueError:  # a ragged list
            return f"it returns {_brief(returned)}, not an array"
        got = np.asarray(returned)
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
