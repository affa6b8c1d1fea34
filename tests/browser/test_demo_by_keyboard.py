"""A demo in JupyterLab without a mouse: names and order of the controls, the last value, the busy state, errors."""

from __future__ import annotations

import pytest
from tiny_cityscapes import write_set

pytestmark = pytest.mark.timeout(900)

SOURCE = """
import time
import ipywidgets
import numpy as np
from helpers.datasets import open_dataset
from helpers.widgets import prediction_demo

prediction_demo.PATIENT = 0  # nothing is predicted ahead


def slow(image):
    time.sleep(0.7)
    if controls and controls[0].value == 3:
        raise RuntimeError("the network <fell> over")
    count.value = str(int(count.value) + 1)
    return np.full(image.shape[:2], 0, np.uint8)


controls, count = [], ipywidgets.HTML("0")
count.add_class("count")
demo = prediction_demo.PredictionDemo({{"slow": slow, "slow too": slow}}, open_dataset({root!r}).frames("train"))
controls.append(demo.number)
ipywidgets.VBox([demo, count])
"""
FOCUS = """() => {
  const at = document.activeElement;
  const label = at.labels?.[0]?.textContent || at.getAttribute("aria-label") || at.alt || at.textContent || at.title;
  return [at.closest(".course-demo") !== null, label.trim(), at.getAttribute("role") || at.tagName];
}"""


@pytest.fixture
def page(run_cell, tmp_path):
    root = write_set(tmp_path / "set", {"train": {"aachen": 9}})
    page = run_cell(SOURCE.format(root=str(root)))
    page.locator("img.course-picture").wait_for()
    for name in ("frame", "wipe", "opacity"):
        page.get_by_role("slider", name=name, exact=True).wait_for()  # until the controls have their names
    return page


def test_a_demo_is_used_by_keyboard(page):
    handle = page.locator(".widget-slider", has=page.get_by_text("frame", exact=True)).locator(".noUi-handle")
    handle.focus()
    order = []
    for _ in range(60):
        inside, label, role = page.evaluate(FOCUS)
        if not inside:
            break
        order.append((label, role))
        page.keyboard.press("Tab")
    names = [label for label, _ in order]
    assert all(names), order
    wanted = ["frame", "your own picture (0)", "left", "right", "wipe", "opacity"]
    assert [name for name in names if name in wanted] == wanted, order
    assert "predictions over the picture" in names and "colours" in names
    assert sum(name.startswith("■") for name in names) == 19

    # A picture's point moves with the arrow keys, and the notebook's selection does not.
    page.locator("img.course-picture").focus()
    page.keyboard.press("ArrowUp")
    page.get_by_text("label: ").wait_for()

    # Six quick steps: the first may be answered, then the last; each predicts with two networks.
    before = page.locator("img.course-picture").get_attribute("src")
    handle.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.locator(".course-busy .course-busy-note", has_text="computing …").wait_for()
    page.get_by_text("aachen_000006_000019").wait_for()
    page.locator(".course-demo:not(.course-busy)").wait_for(state="attached")
    assert page.locator("img.course-picture").get_attribute("src") != before
    predictions = int(page.locator(".count .widget-html-content").inner_text())
    assert 2 + 2 <= predictions <= 2 + 3 * 2  # two when the demo was made

    page.keyboard.press("Home")
    page.get_by_text("aachen_000000_000019").wait_for()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
    page.get_by_text("RuntimeError: the network <fell> over. Run the cell again").wait_for()
    assert not page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count()
