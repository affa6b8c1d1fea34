"""Ask for a prediction before an experiment, and compare it with the measurement after it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from html import escape
from typing import Any

import ipywidgets as widgets

from helpers.exercises.checking import Result

CHOOSE = "choose …"
_NEARLY_ZERO = 0.01  # the sign of a smaller number does not matter


def predict(*choices: str, unit: str = "", between: tuple[float, float] | None = None) -> Prediction:
    """Return a control that asks for one of `choices`, or without them for a number.

    A number may have a `unit` and lie `between` two limits, both included. Put the control on the last line of its
    cell, run the experiment, then call `compare` on the last line of a later cell.
    """
    return Choice(choices) if choices else Number(unit, between)


class Prediction(widgets.VBox):
    """A control for a prediction; `value` is None until the learner has answered."""

    control: widgets.Widget
    value: Any

    def __init__(self, control: widgets.Widget, range_text: str):
        self.control, self._range_text = control, range_text
        self._note = widgets.HTML(escape(range_text))  # a static report shows this line instead of the control
        control.observe(lambda _: self._answered(), "value")
        super().__init__([control, self._note])

    def __repr__(self) -> str:
        return f"Your prediction: {self._range_text}"

    def _answered(self) -> None:
        self._note.value = escape(self._range_text if self.value is None else "Noted. Run the next cells.")


def _unanswered(answer: str, ask: str = "Make your prediction above") -> Result:
    return Result(False, f"{ask}, then run this cell again.", folded=answer)


class Choice(Prediction):
    """A select box; `value` is one of the choices, or None."""

    def __init__(self, choices: tuple[str, ...]):
        self.choices = tuple(map(str, choices))
        control = widgets.Dropdown(
            options=[(CHOOSE, None), *((each, each) for each in self.choices)], description="I predict"
        )
        super().__init__(control, f"Choices: {', '.join(self.choices)}.")

    @property
    def value(self) -> str | None:
        return self.control.value

    @value.setter
    def value(self, choice: str | None) -> None:
        self.control.value = choice

    def compare(self, measured: str, hints: Mapping[str, str] | None = None) -> Result:
        """Compare the prediction with `measured`; `hints` maps a tempting wrong choice to what speaks against it."""
        measured = str(measured)
        if self.value is None:
            return _unanswered(f"Measured: {measured}.")
        if self.value == measured:
            return Result(True, f"You predicted {measured}, and so it is.")
        hint = (hints or {}).get(self.value, "")
        other = "" if measured in self.choices else ", which was not among the choices"
        return Result(False, f"You predicted {self.value}; measured: {measured}{other}. {hint}".rstrip())


class Number(Prediction):
    """A text box for a number; `value` is a float, or None while it is empty or is not a number between the limits."""

    def __init__(self, unit: str = "", between: tuple[float, float] | None = None):
        self.unit, self.between = unit, between
        self._kind = "a number" if between is None else f"a number from {_text(between[0])} to {_text(between[1])}"
        # a FloatText cannot be empty: 0 would be an answer
        control = widgets.Text(
            placeholder=self._kind,
            description=f"I predict ({unit})" if unit else "I predict",
            style={"description_width": "initial"},
            layout=widgets.Layout(width="25em"),
        )
        super().__init__(control, f"{self._kind[0].upper()}{self._kind[1:]}{f' ({unit})' if unit else ''}.")

    @property
    def value(self) -> float | None:
        # characters of full width, as Chinese keyboards write them, and the minus sign of formulas
        text = unicodedata.normalize("NFKC", self.control.value).replace("\N{MINUS SIGN}", "-")
        text = text.strip().removesuffix("%")
        # 4,000 is four thousand, as `compare` writes it; 0,5 is one half
        thousands = re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*", text)
        try:
            number = float(text.replace(",", "" if thousands else "."))
        except ValueError:
            return None
        low, high = self.between or (-math.inf, math.inf)
        return number if math.isfinite(number) and low <= number <= high else None

    @value.setter
    def value(self, number: float | None) -> None:
        self.control.value = "" if number is None else str(number)

    def _answered(self) -> None:
        super()._answered()
        if self._invalid:
            self._note.value = escape(f"Expected {self._kind}, got {self.control.value.strip()}.")

    @property
    def _invalid(self) -> bool:
        return self.value is None and bool(self.control.value.strip())

    def compare(self, measured: float, hints: Mapping[str, str] | None = None, tolerance: float = 0.1) -> Result:
        """Compare the prediction with `measured`; `hints` may have one for "too low" and one for "too high".

        A prediction is close if it differs by at most `tolerance` times the range between the limits or, without
        limits, times the measured value. A prediction of the other sign is not close, unless both are nearly 0.
        """
        try:
            measured = float(measured)
        except (TypeError, ValueError):  # an experiment that the learner has changed may yield anything
            measured = math.nan
        shown = f"measured {_text(measured)}{self._with_unit()}"
        predicted = self.value
        if predicted is None:
            ask = f"Change your prediction above to {self._kind}" if self._invalid else "Make your prediction above"
            return _unanswered(f"{shown[0].upper()}{shown[1:]}.", ask)
        start = f"You predicted {_text(predicted)}{self._with_unit()}; {shown}"
        if not math.isfinite(measured):
            return Result(False, f"{start}, which cannot be compared.")
        difference = predicted - measured
        if _text(predicted) == _text(measured):
            return Result(True, f"{start}. Exactly.")
        size = abs(measured) if self.between is None else self.between[1] - self.between[0]
        other_sign = predicted * measured < 0 and max(abs(predicted), abs(measured)) > _NEARLY_ZERO
        close = abs(difference) <= tolerance * size and not other_sign
        direction = "too low" if difference < 0 else "too high"
        hint = "" if close else (hints or {}).get(direction, "")
        return Result(
            close, f"{start}: {'close, ' * close}{self._miss(predicted, measured)} {direction}. {hint}".rstrip()
        )

    def _miss(self, predicted: float, measured: float) -> str:
        """Return how far off the prediction is: a factor from 2 on, else the difference, with the percentage."""
        low, high = sorted((abs(predicted), abs(measured)))
        if self.between is None and predicted * measured > 0 and high >= 2 * low:
            return f"a factor of {_text(high / low)}"
        difference = _text(abs(predicted - measured))
        if self.unit == "%":
            return f"{difference} percentage points"
        difference += self._with_unit()
        if self.between is None and measured:
            difference += f" ({abs(predicted / measured - 1):.0%} of the measured value)"
        return difference

    def _with_unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def _text(number: float) -> str:
    """Return a number with three significant digits, or without decimals from 1000 on."""
    number = float(number)
    return f"{number:,.0f}" if math.isfinite(number) and abs(number) >= 1000 else f"{number:.3g}"
