"""The run browser in JupyterLab: controls update picture and table."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(900)

CELL = """
from types import SimpleNamespace as Run
from helpers.widgets.run_browser import RunBrowser

def run(name, lr):
    return Run(name=name, settings={"lr": lr}, samples=[2, 4, 6], loss=[3.0, 2.0, lr], lr=[lr] * 3, validated=[6],
               miou=[lr])

RunBrowser([run("slow", 0.01), run("fast", 0.5)])
"""
SOURCE = "img => img.src"


def test_controls_change_the_picture(run_cell):
    page = run_cell(CELL)
    picture = page.locator(".jp-OutputArea img.course-picture").first
    picture.wait_for()
    before = picture.evaluate(SOURCE)

    def changed(before):
        page.wait_for_function(
            "before => document.querySelector('.jp-OutputArea img.course-picture').src !== before", arg=before
        )
        return picture.evaluate(SOURCE)

    page.locator(".widget-dropdown select").first.select_option("training loss")
    before = changed(before)
    page.locator(".widget-select-multiple select").select_option(["fast"])
    changed(before)
    page.locator(".widget-html table tr", has_text="fast").wait_for()
    page.locator(".widget-html table tr", has_text="slow").wait_for(state="detached")
