"""The report of a run at the width of a phone: wide contents scroll in their own box, the page does not."""

from __future__ import annotations

import nbformat
import pandas as pd
import pytest

from helpers.runner import report
from helpers.runner.verdicts import Verdict

PHONE = {"width": 390, "height": 844}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def page(chrome, tmp_path):
    """A report with everything that can be wide, open in a browser."""
    wide = pd.DataFrame([[0.123456] * 20], columns=[f"column {number}" for number in range(20)])
    row = "|".join(["a cell of several words"] * 12)
    cells = [
        nbformat.v4.new_markdown_cell(f"# Title\n\n|{row}|\n|{'|'.join(['---'] * 12)}|\n|{row}|"),
        nbformat.v4.new_markdown_cell("$$" + " + ".join(f"x_{{{number}}}" for number in range(60)) + "$$"),
        nbformat.v4.new_markdown_cell(f"A path `{'folder/' * 40}` and a word {'w' * 200}."),
        nbformat.v4.new_code_cell(
            "x = 1  # " + "long " * 60,
            execution_count=1,
            outputs=[
                nbformat.v4.new_output("stream", name="stdout", text="o" * 400),
                nbformat.v4.new_output("execute_result", execution_count=1, data={"text/html": wide.to_html()}),
                nbformat.v4.new_output("display_data", data={"text/html": '<div style="width: 900px">wide</div>'}),
                nbformat.v4.new_output(
                    "display_data", data={"image/png": PIXEL}, metadata={"image/png": {"width": 900}}
                ),
            ],
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_a.ipynb")
    verdicts = [
        Verdict(f"05.latency_ms.a_long_name.{n}", 0.5, 0.1, "0.5, expected 0.1 within 0.02", True) for n in "ab"
    ]
    runs = [{"hardware": "x86-avx2", "metrics": {verdicts[0].name: value}} for value in (1, 2)]
    path = report.build(tmp_path, [tmp_path / "01_a.ipynb"], profile="smoke", verdicts=verdicts, runs=runs)
    opened = chrome.new_page(viewport=PHONE)
    opened.goto(path.as_uri())
    yield opened
    opened.close()


def test_no_element_makes_the_page_wider_than_a_phone(page):
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    # and nothing sticks out that no box scrolls
    out = page.evaluate("""() => [...document.querySelectorAll('body *')].filter(element => {
        if (element.getBoundingClientRect().right <= innerWidth + 1) return false;
        for (let box = element.parentElement; box; box = box.parentElement)
            if (getComputedStyle(box).overflowX !== 'visible') return false;
        return true;
    }).map(element => element.outerHTML.slice(0, 80))""")
    assert out == []


def test_wide_tables_scroll_in_their_own_box(page):
    tables = page.locator("table")
    assert tables.count() >= 3
    for number in range(tables.count()):
        box = tables.nth(number)
        assert box.evaluate("box => box.clientWidth <= innerWidth && getComputedStyle(box).overflowX") == "auto"
    assert page.locator(".trend").first.evaluate("line => line.getBoundingClientRect().width") == 120
