"""Run All of every notebook in JupyterLab at smoke; then a control of each demo moves, and its answer is compared.

It takes minutes, so it runs with `make test-lab` and at night only. With COURSE_PICTURES, a folder, it keeps a picture
of every demo.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
from jupyter_server_process import PROJECT
from PIL import Image

from helpers import evaluation, models
from helpers.cityscapes import CITYSCAPES
from helpers.cityscapes.annotations import read_annotations
from helpers.datasets import open_dataset, read_image, read_label
from helpers.miniscapes import VERSION
from helpers.notebook import NOTEBOOKS
from helpers.pruning import Analysis

pytestmark = [
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not os.environ.get("COURSE_RUN_ALL"), reason="takes minutes: make test-lab runs it"),
]
LONGEST_MS = 1_500_000  # of one notebook, on a busy machine
LARGEST = 150_000  # bytes of a picture
DATA = PROJECT / "data" / "miniscapes"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> Path:
    """The output folder of all notebooks."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def run_all(lab, chrome, outputs):
    """`run_all("03")` opens the notebook, runs all cells, checks that none failed, and returns the page."""
    folder, address, token = lab
    pages = []

    def run(number: str):
        path = folder / f"{NOTEBOOKS[number]}.ipynb"
        notebook = nbformat.read(PROJECT / "notebooks" / path.name, as_version=4)
        parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        parameters.source += f'\nPROFILE, OUTPUT_DIR = "smoke", {str(outputs)!r}'
        nbformat.write(notebook, path)
        page = chrome.new_page(viewport={"width": 1250, "height": 1200})
        pages.append(page)
        page.set_default_timeout(LONGEST_MS)
        page.goto(f"{address}/workspaces/all{number}/tree/{path.name}?token={token}")
        page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
        # An idle indicator is shown before there is a kernel; Run All would ask for one.
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
        page.wait_for_timeout(2000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        _wait_until_saved(page, path)
        page.set_default_timeout(120_000)
        return page

    yield run
    for page in pages:
        page.close()


def _wait_until_saved(page, path: Path) -> None:
    """Save until every cell has run, and fail with the text of the first error."""
    for _ in range(LONGEST_MS // 3000):
        page.wait_for_timeout(3000)
        page.keyboard.press("Control+s")
        page.wait_for_timeout(500)
        dialog = page.locator(".jp-Dialog")
        assert not dialog.count(), dialog.first.inner_text()
        try:
            cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        except nbformat.reader.NotJSONError:  # half written
            continue
        failed = [out for cell in cells for out in cell.outputs if out.output_type == "error"]
        assert not failed, f"{path.stem}: {failed[0].ename}: {failed[0].evalue}"
        if all(cell.execution_count for cell in cells):
            return
    raise AssertionError(f"{path.stem} has not finished")


def demo_of(page, control: str):
    """The last demo with this control, in sight."""
    demo = page.locator(".course-demo", has=page.get_by_text(control, exact=True)).last
    # JupyterLab draws cells that are in sight only.
    for _ in range(80):
        if demo.count():
            break
        page.locator(".jp-WindowedPanel-outer").first.evaluate("panel => panel.scrollBy(0, 700)")
        page.wait_for_timeout(300)
    else:
        raise AssertionError(f"no demo with the control {control!r}")
    demo.scroll_into_view_if_needed()
    page.wait_for_timeout(3000)
    return demo


def press(demo, control: str, key: str, times: int = 1) -> None:
    slider = demo.locator(".widget-slider", has=demo.page.get_by_text(control, exact=True)).locator(".noUi-handle")
    for _ in range(times):
        slider.press(key)


def keep(demo, name: str) -> None:
    """Write a picture of a demo, where they are asked for, with as many colours as fit."""
    if not (folder := os.environ.get("COURSE_PICTURES")):
        return
    demo.page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(demo.screenshot())).convert("RGB")
    picture.thumbnail((800, 800), Image.Resampling.LANCZOS)
    for colours in (256, 128, 64, 32):
        data = io.BytesIO()
        picture.quantize(colours).save(data, "PNG", optimize=True)
        if len(data.getvalue()) < LARGEST:
            break
    (Path(folder) / f"widget_{name}.png").write_bytes(data.getvalue())


def miou(name: str, frame) -> str:
    """The score of shipped weights on a frame, as the demo writes it."""
    labels = evaluation.predict(models.load_shipped(name), read_image(frame))
    matrix = evaluation.confusion_matrix(labels, read_label(frame), len(CITYSCAPES))
    return f"mIoU {evaluation.scores(matrix).miou:.2f} on this frame"


def play(page) -> None:
    demo = demo_of(page, "wipe")
    keep(demo, "prediction")
    frame = open_dataset(DATA / f"smoke-play-v{VERSION}").frames("val")[1]
    press(demo, "frame", "ArrowRight")
    demo.get_by_text(frame.stem).wait_for()
    first = next(iter(models.cards()))
    demo.get_by_text(miou(first, frame)).first.wait_for()


def explore(page) -> None:
    data = open_dataset(DATA / f"smoke-v{VERSION}")
    stepper = demo_of(page, "polygons")
    press(stepper, "polygons", "ArrowRight", 25)
    labels = {
        each["label"]
        for split in ("train", "val")
        for frame in data.frames(split)
        for each in read_annotations(frame).polygons["objects"]
    }
    stepper.locator(".widget-html b").wait_for()
    assert stepper.locator(".widget-html b").inner_text() in labels
    keep(stepper, "polygons")
    browser = demo_of(page, "view")
    keep(browser, "dataset")
    press(browser, "frame", "ArrowRight")
    stem = browser.locator(".widget-html code").first.inner_text()
    assert stem in {frame.stem for split in data.existing_splits() for frame in data.frames(split)}


def train(page) -> None:
    runs = demo_of(page, "smooth")
    keep(runs, "runs")
    final = f"{models.cards()['hrnet_w18_small_v2'].scores.miou:.2f}"
    assert any(re.search(rf"\b{final}", row) for row in runs.locator("tr").all_inner_texts())
    picture = runs.locator("img.course-picture")
    before = picture.get_attribute("src")
    runs.locator(".widget-dropdown select").first.select_option("training loss")
    page.wait_for_function("([image, before]) => image.src !== before", arg=[picture.element_handle(), before])


def evaluate(page) -> None:
    demo = demo_of(page, "wipe")
    frame = open_dataset(DATA / f"smoke-v{VERSION}").frames("val")[1]
    press(demo, "frame", "ArrowRight")
    demo.get_by_text(frame.stem).wait_for()
    demo.get_by_text("on this frame").first.wait_for()


def prune(page) -> None:
    demo = demo_of(page, "criterion")
    keep(demo, "pruning")
    press(demo, "cut", "ArrowRight", 5)
    page.wait_for_timeout(3000)
    text = demo.inner_text()
    kept, cut, height, width = re.search(
        r"([\d.]+) of [\d.]+ GMACs kept, ([\d.]+)% removed, at (\d+) x (\d+)", text
    ).groups()
    analysis = Analysis(models.load_shipped("fastscnn"), (int(height), int(width)))
    chosen = float(re.search(r"(\d+)%\n", text)[1]) / 100
    plan = analysis.plan_for(chosen, criterion="l1")
    assert f"{plan.macs_after / 1e9:.2f}" == kept and f"{100 * plan.cut:.1f}" == cut


def deploy(page) -> None:
    demo = demo_of(page, "engine")
    keep(demo, "deploy")
    press(demo, "frame", "ArrowRight")
    page.wait_for_timeout(3000)
    milliseconds, rate = re.search(r"([\d.]+) ms from frame to labels, (\d+) frames", demo.inner_text()).groups()
    assert np.isclose(1000 / float(milliseconds), float(rate), rtol=0.02, atol=1)


def own_data(page) -> None:
    demo = demo_of(page, "wipe")
    press(demo, "frame", "ArrowRight")
    demo.get_by_text("on this frame").first.wait_for()


CHECKS: dict[str, Callable] = {
    "00": play, "01": explore, "02": train, "03": evaluate, "04": prune, "05": deploy, "06": own_data,
}  # fmt: skip


@pytest.mark.parametrize("number", CHECKS)
def test_run_all_ends_without_an_error_and_a_demo_answers(number, run_all):
    page = run_all(number)
    CHECKS[number](page)
    assert not page.locator(".course-demo [role=alert]").count()
