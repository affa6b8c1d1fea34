"""The bound of what a cell stores."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_output

from helpers.runner import outputs


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(outputs, "CELL_BYTES", 1000)


def stream(text: str):
    return new_output("stream", name="stdout", text=text)


def test_small_outputs_stay_as_they_are():
    kept = [stream("a" * 400), new_output("display_data", data={"image/png": "b" * 400})]
    cell = new_code_cell("x", outputs=list(kept))
    outputs.bound(cell)
    assert cell.outputs == kept


def test_text_is_cut_and_later_images_are_left_out_but_not_errors():
    error = new_output("error", ename="ValueError", evalue="no", traceback=["no"])
    image = new_output("display_data", data={"image/png": "b" * 500})
    cell = new_code_cell("x", outputs=[stream("a" * 2_000_900), image, error])
    outputs.bound(cell)
    text, kept, notice = cell.outputs
    assert text.text == "a" * 1000 and kept == error
    assert notice.text == "\n[2.0 MB of output left out: a cell may store 0 MB]\n"
