"""Predictions: unanswered, right, close and wrong ones, without a front end."""

import ipywidgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.exercises import predict


def answered(value, *choices, **options):
    prediction = predict(*choices, **options)
    prediction.control.value = value
    return prediction


def test_choice_begins_unanswered():
    prediction = predict("pole", "road", "sky")
    assert prediction.value is None
    assert [label for label, _ in prediction.control.options] == ["choose …", "pole", "road", "sky"]
    result = prediction.compare("pole")
    assert not result.solved and "above, then run this cell again" in result.message and "pole" not in result.message
    assert "<details><summary>Answer</summary>Measured: pole.</details>" in result._repr_html_()
    assert "Measured: pole." in repr(result)


def test_choices():
    prediction = answered("road", "pole", "road")
    hints = {"road": "Roads are wide.", "pole": "never shown"}
    wrong = prediction.compare("pole", hints)
    assert not wrong.solved and wrong.message == "You predicted road; measured: pole. Roads are wide."
    assert prediction.compare("road", hints).solved
    assert "not among the choices" in prediction.compare("bus").message
    prediction.value = None
    assert "above" in prediction.compare("pole").message


def test_choices_may_be_numbers():
    prediction = predict(2, 4)
    prediction.value = "4"
    assert prediction.compare(np.int64(4)).solved and not prediction.compare(2).solved


def test_number_begins_unanswered_and_zero_is_an_answer():
    prediction = predict(unit="mIoU", between=(0, 1))
    assert prediction.value is None
    result = prediction.compare(0.83)
    assert "above" in result.message and "0.83" not in result.message and result.folded == "Measured 0.83 mIoU."
    prediction.value = 0
    assert prediction.value == 0 and "0.83 mIoU too low" in prediction.compare(0.83).message


@pytest.mark.parametrize(
    "text, options, measured, solved, message",
    [
        ("0.5", {"unit": "mIoU", "between": (0, 1)}, 0.83, False,
         "You predicted 0.5 mIoU; measured 0.83 mIoU: 0.33 mIoU too low."),
        ("0,8", {"between": (0, 1)}, 0.83, True, "You predicted 0.8; measured 0.83: close, 0.03 too low."),
        ("60 %", {"unit": "%", "between": (0, 100)}, 42, False,
         "You predicted 60 %; measured 42 %: 18 percentage points too high."),
        ("30", {"unit": "ms"}, 50, False,
         "You predicted 30 ms; measured 50 ms: 20 ms (40% of the measured value) too low."),
        ("10", {"unit": "ms"}, np.float32(50), False, "You predicted 10 ms; measured 50 ms: a factor of 5 too low."),
        ("６０％", {"unit": "%"}, 60, True, "You predicted 60 %; measured 60 %. Exactly."),
        ("−0．5", {}, -0.5, True, "You predicted -0.5; measured -0.5. Exactly."),
        ("4,000", {}, 1000, False, "You predicted 4,000; measured 1,000: a factor of 4 too high."),
        ("34", {}, np.int64(34), True, "You predicted 34; measured 34. Exactly."),
        ("3", {}, 0, False, "You predicted 3; measured 0: 3 too high."),
        ("1", {}, None, False, "You predicted 1; measured nan, which cannot be compared."),
        ("1", {}, float("nan"), False, "You predicted 1; measured nan, which cannot be compared."),
    ],
)  # fmt: skip
def test_numbers(text, options, measured, solved, message):
    result = answered(text, **options).compare(measured)
    assert (result.solved, result.message, result.folded) == (solved, message, "")


def test_tolerance_and_hints_of_numbers():
    prediction = answered("70", unit="ms")
    hints = {"too low": "Add the loading.", "too high": "Frames overlap."}
    assert prediction.compare(50, hints).message.endswith("too high. Frames overlap.")
    assert prediction.compare(90, hints).message.endswith("too low. Add the loading.")
    close = prediction.compare(50, hints, tolerance=0.5)
    assert close.solved and "Frames" not in close.message


@pytest.mark.parametrize(
    "predicted, measured, solved",
    [
        ("0.08", -0.102, False),
        ("-0.05", 0.016, False),
        ("-0.15", -0.102, True),
        ("0.005", -0.009, True),
        ("0", -0.1, True),
    ],
)
def test_a_gain_is_not_close_to_a_loss(predicted, measured, solved):
    assert answered(predicted, between=(-1, 1)).compare(measured).solved == solved


@pytest.mark.parametrize("text", ["many", "5", "-1", "nan", "inf"])
def test_invalid_numbers_are_named_at_once(text):
    prediction = answered(text, between=(0, 1))
    assert prediction.value is None and f"Expected a number from 0 to 1, got {text}" in notes(prediction)
    assert "a number from 0 to 1, then run this cell again" in prediction.compare(0.5).message


@given(st.text(), st.floats(), st.booleans())
def test_no_answer_raises(text, measured, limited):
    prediction = answered(text.replace("\n", " "), between=(0, 1) if limited else None)
    assert prediction.compare(measured).message


def notes(prediction) -> str:
    return " ".join(child.value for child in prediction.children if isinstance(child, ipywidgets.HTML))


def test_report_shows_what_can_be_answered():
    """The report prints the HTML of a widget's children in place of its controls."""
    assert "Choices: pole, a &lt; b." in notes(predict("pole", "a < b"))
    assert "A number from 0 to 1 (mIoU)." in notes(predict(unit="mIoU", between=(0, 1)))
    assert repr(predict("pole", "sky")) == "Your prediction: Choices: pole, sky."
    prediction = answered("pole", "pole", "sky")
    assert "Noted" in notes(prediction)
