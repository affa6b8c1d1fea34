"""`make lab LANGUAGE=zh`: the start page is in Chinese, its first cells run, and its demo answers."""

from __future__ import annotations

import re

import nbformat
import pytest
from jupyter_server_process import PROJECT
from lab_pages import press, wait_for_kernel, wait_for_labels

from helpers import evaluation, models
from helpers.cityscapes import CITYSCAPES
from helpers.datasets import open_dataset, read_image
from helpers.miniscapes import VERSION

pytestmark = pytest.mark.timeout(900)

PARAMETERS = 'PROFILE, SEED, DEVICE, DATA_ROOT, OUTPUT_DIR = "smoke", 0, "cpu", "", {output_dir!r}'
HEADING = re.compile("^##? (.+)$", re.MULTILINE)


def cells_until_the_demo() -> int:
    """Count the cells from the parameters to the demo."""
    cells = nbformat.read(PROJECT / "notebooks" / "00_play.ipynb", as_version=4).cells
    first = next(i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", []))
    last = next(i for i, cell in enumerate(cells) if cell.source.startswith("demo = PredictionDemo("))
    return last - first + 1


def test_the_start_page_is_chinese_and_its_demo_answers(make_lab, tmp_path):
    page = make_lab("LANGUAGE=zh")
    wait_for_kernel(page)
    assert "/lab/tree/notebooks-zh/00_play.ipynb" in page.url
    headings = HEADING.findall((PROJECT / "notebooks" / "zh" / "00_play.md").read_text(encoding="utf-8"))
    assert re.search("[\u4e00-\u9fff]", headings[0])
    page.locator(".jp-RenderedMarkdown h1").get_by_text(headings[0]).wait_for()
    for heading in headings:
        page.locator(".jp-TableOfContents .jp-tocItem").get_by_text(heading, exact=True).first.wait_for()

    page.locator(".jp-CodeCell .cm-content", has_text="PROFILE = ").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(PARAMETERS.format(output_dir=str(tmp_path / "outputs")))
    for _ in range(cells_until_the_demo()):
        page.keyboard.press("Shift+Enter")
    demo = page.locator(".course-demo")
    demo.locator("img.course-picture").wait_for()
    assert not page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count()

    frames = open_dataset(PROJECT / "data" / "miniscapes" / f"smoke-play-v{VERSION}").frames("val")[:2]
    shipped = list(models.cards())
    known = {
        (name, frame.stem): evaluation.predict(models.load_shipped(name), read_image(frame))
        for name in (shipped[0], shipped[-1])
        for frame in frames
    }
    press(demo, "opacity", "End")
    for key, name in (("End", shipped[0]), ("Home", shipped[-1])):
        press(demo, "wipe", key)
        wait_for_labels(demo, CITYSCAPES, known, (name, frames[0].stem))
    press(demo, "frame", "ArrowRight")
    wait_for_labels(demo, CITYSCAPES, known, (shipped[-1], frames[1].stem))
