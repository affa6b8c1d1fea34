"""The pruning explorer in JupyterLab: controls update numbers and picture."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(900)

CELL = """from helpers.models import build
from helpers.pruning import Analysis, LatencyModel
from helpers.widgets.pruning_explorer import PruningExplorer
model = LatencyModel("an engine", 16, (20.0, 12.0, 30.0, 40.0), 0.0)
PruningExplorer(Analysis(build("fastscnn", seed=0), (1024, 2048)), [model])"""
SOURCE = "img => img.src"


def changed(page, picture, before):
    page.wait_for_function("before => document.querySelector('img.course-picture').src !== before", arg=before)
    return picture.evaluate(SOURCE)


def test_controls_change_numbers_and_picture(run_cell):
    page = run_cell(CELL)
    picture = page.locator("img.course-picture")
    picture.wait_for()
    page.get_by_text("of 7.25 GMACs kept, 50.").wait_for()
    page.get_by_text("an engine: predicted").wait_for()
    assert picture.evaluate("img => img.naturalWidth") > 800
    assert "chart of channels" in picture.get_attribute("alt")
    first = picture.evaluate(SOURCE)

    slider = page.locator(".widget-slider", has=page.get_by_text("cut", exact=True)).locator(".noUi-handle")
    for _ in range(10):
        slider.press("ArrowRight")
    page.get_by_text("60.").first.wait_for()
    second = changed(page, picture, first)

    page.get_by_role("button", name="16", exact=True).click()
    third = changed(page, picture, second)
    page.get_by_role("button", name="random", exact=True).click()
    page.wait_for_timeout(500)
    assert page.get_by_text("GMACs kept").count() == 1 and picture.evaluate(SOURCE)
    assert third != first
