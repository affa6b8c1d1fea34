"""The check of a function: it protects its inputs, compares numbers and picks the hint of a typical mistake."""

import functools

import numpy as np
import pytest

from helpers.exercises.checking import Case, Mistake, Result, check, equals


def double(x):
    return 2 * x


CASES = [Case("three", (3,), equals(6), "hint of three"), Case("four", (4,), equals(8))]
MISTAKES = (
    Mistake(lambda x: x * x, "This squares."),
    Mistake(lambda x: x + 3, "This adds three."),  # right for three
    Mistake(lambda x: x.double(), "A number has no such method."),
    Mistake(lambda x: str(2 * x), "This is text."),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.hint)
def test_mistakes_get_their_own_hint(mistake):
    result = check(mistake.answer, CASES, "general hint", MISTAKES)
    assert not result.solved and result.message.endswith(mistake.hint) and result.mistakes == MISTAKES


def test_other_hints_come_after_those_of_mistakes():
    assert check(lambda x: 0, CASES, "general hint", MISTAKES).message.endswith("hint of three")
    assert check(lambda x: 6, CASES, "general hint", MISTAKES).message.endswith("general hint")
    assert check(lambda x: 6, CASES).message.endswith("expected 8.")
    assert check(double, CASES, mistakes=MISTAKES).solved
    assert "nothing yet" in check(lambda x: None, CASES, mistakes=MISTAKES).message


class Unreadable:
    """A value that neither NumPy nor `repr` can read."""

    def __repr__(self):
        raise RuntimeError

    __array__ = __repr__


@pytest.mark.parametrize("returned", [Unreadable(), object(), {}, [[1], [2, 3]], 1j, np.array(["a"])])
def test_any_returned_value_is_only_a_wrong_one(returned):
    assert not check(lambda x: returned, CASES, "hint", MISTAKES).solved


def test_a_verdict_that_fails_is_a_sentence():
    result = check(lambda x: 5, [Case("three", (3,), lambda returned: f"{set(returned)}")])
    assert result.message == "<lambda>, for three: it returns a value of type int, which cannot be compared."


def test_a_case_that_returns_nothing_is_named():
    result = check(lambda x: 6 if x == 3 else None, CASES, "hint")
    assert result.message == "<lambda>, for four: it returns nothing. hint"


@pytest.mark.parametrize("function", [functools.partial(double), 5, None, "double"])
def test_functions_without_a_name_and_other_values(function):
    result = check(function, CASES, "hint", MISTAKES)
    assert result.solved == callable(function) and result.message.startswith("Your function")


def test_check_protects_its_inputs():
    label = np.uint8([[1]])

    def spoil(given):
        given[:] = 9
        return 1

    case = Case("one pixel", (label,), equals(1))
    assert check(spoil, [case, case]).solved and label[0, 0] == 1


@pytest.mark.parametrize(
    "expected, returned, right",
    [
        (2, 2, True),
        (2, 3, False),
        (0.5, 0.5 + 1e-9, True),
        (0.5, 0.51, False),
        (np.nan, np.nan, True),
        ([1, 2], (1, 2), True),
        ([1, 2], [1.0, 2.0], True),
        ([1, 2], [1.4, 2], False),
        ([[True, False]], [[True, False]], True),
    ],
)
def test_equals(expected, returned, right):
    assert (equals(expected)(returned) is None) == right


def test_html_is_escaped():
    assert "<b>" not in Result(False, "<b>", folded="<b>")._repr_html_()
