"""Predictions in JupyterLab, with the keyboard only."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(900)

CELL = """
import ipywidgets
from helpers import exercises

thin, score = exercises.predict("pole", "road"), exercises.predict(unit="mIoU", between=(0, 1))
results = ipywidgets.HTML()

def compare(_):
    results.value = f"{thin.compare('road')!r} {score.compare(0.83)!r}"

for prediction in (thin, score):
    prediction.control.observe(compare, "value")
compare(None)
ipywidgets.VBox([thin, score, results])
"""


def test_a_choice_and_a_number_by_keyboard(run_cell):
    page = run_cell(CELL)

    def shown(text):
        page.locator(".jp-OutputArea .widget-html", has_text=text).wait_for()

    shown("Choices: pole, road.")
    shown("Measured: road.")
    page.get_by_label("I predict", exact=True).focus()
    page.keyboard.press("p")
    shown("You predicted pole; measured: road.")
    page.keyboard.press("Tab")
    page.keyboard.type("1.5")
    shown("Expected a number from 0 to 1, got 1.5.")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("0.5")
    shown("You predicted 0.5 mIoU; measured 0.83 mIoU: 0.33 mIoU too low.")
