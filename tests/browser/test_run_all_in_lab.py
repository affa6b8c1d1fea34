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
from jupyter_server_process import PROJECT, end_kernels
from lab_pages import BUSY_MS, choose, press, slider, wait_for_kernel, wait_for_labels, wait_for_match
from PIL import Image

from helpers import evaluation, models
from helpers.cityscapes import CITYSCAPES
from helpers.cityscapes.annotations import read_annotations
from helpers.datasets import Frame, open_dataset, read_image, read_label
from helpers.deployment import Predictor
from helpers.miniscapes import VERSION
from helpers.notebook import NOTEBOOKS
from helpers.profiles import load_profile
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
        wait_for_kernel(page)
        _start(page)
        _wait_until_saved(page, path)
        page.set_default_timeout(BUSY_MS)
        return page

    yield run
    for page in pages:
        page.close()
    end_kernels(address, token)


def _start(page) -> None:
    """Choose Run All until the kernel is busy: it is lost if JupyterLab calls a kernel idle too early."""
    busy = page.locator('.jp-Notebook-ExecutionIndicator[data-status="busy"]')
    for _ in range(10):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        for _ in range(100):
            if busy.count():
                return
            page.wait_for_timeout(100)
    raise AssertionError("Run All does not start")


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
    demo.locator("img.course-picture").wait_for()
    return demo


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


def open_shipped(name: str) -> evaluation.PredictFn:
    return evaluation.open_network(models.load_shipped(name))


def predictions(networks: dict[str, evaluation.PredictFn], frames: list[Frame]) -> dict[tuple[str, str], np.ndarray]:
    """Labels (H, W) by network and frame."""
    return {(title, frame.stem): net(read_image(frame)) for title, net in networks.items() for frame in frames}


def compare(demo, networks: dict[str, evaluation.PredictFn], frames: list[Frame]) -> None:
    """Move to the second frame, then compare labels and scores of each network with the helpers' own."""
    classes = frames[0].dataset.classes
    known = predictions(networks, frames)
    press(demo, "frame", "ArrowRight")
    press(demo, "opacity", "End")
    press(demo, "wipe", "End")
    for side in ("left", "right"):
        for title in networks:
            choose(demo, side, title)
            wait_for_labels(demo, classes, known, (title, frames[1].stem))
            matrix = evaluation.confusion_matrix(known[title, frames[1].stem], read_label(frames[1]), len(classes))
            score = f"mIoU {evaluation.scores(matrix).miou:.2f} on this frame"
            wait_for_match(demo, rf"{frames[1].stem} .*{re.escape(title)} [\d.]+ s( with preparation)?, {score}")
        press(demo, "wipe", "Home")


def play(page, outputs: Path) -> None:
    demo = demo_of(page, "wipe")
    keep(demo, "prediction")
    networks = {card.title: open_shipped(name) for name, card in models.cards().items()}
    compare(demo, networks, open_dataset(DATA / f"smoke-play-v{VERSION}").frames("val")[:3])


def explore(page, outputs: Path) -> None:
    data = open_dataset(DATA / f"smoke-v{VERSION}")
    stepper = demo_of(page, "polygons")
    press(stepper, "polygons", "ArrowRight", 24)
    objects = read_annotations(data.frames("val")[0]).polygons["objects"]
    before, label = (objects[i]["label"] for i in (22, 23))
    assert label != before
    stepper.locator(".widget-html b", has_text=label).wait_for()
    keep(stepper, "polygons")
    browser = demo_of(page, "view")
    keep(browser, "dataset")
    frames = data.frames("val")  # the notebook has chosen this split
    second = [frame for frame in frames if frame.group == min(frame.group for frame in frames)][1]
    press(browser, "frame", "ArrowRight")
    browser.locator("code", has_text=second.stem).wait_for()
    browser.get_by_role("button", name="labels", exact=True).click()
    known = {("label", frame.stem): read_label(frame) for frame in frames}
    wait_for_labels(browser, data.classes, known, ("label", second.stem))


def train(page, outputs: Path) -> None:
    runs = demo_of(page, "smooth")
    keep(runs, "runs")
    final = f"{models.cards()['hrnet_w18_small_v2'].scores.miou:.2f}"
    assert any(re.search(rf"\b{final}", row) for row in runs.locator("tr").all_inner_texts())
    picture = runs.locator("img.course-picture")
    before = picture.get_attribute("src")
    choose(runs, "show", "training loss")
    page.wait_for_function("([image, before]) => image.src !== before", arg=[picture.element_handle(), before])


def evaluate(page, outputs: Path) -> None:
    names = load_profile("smoke").evaluate.networks
    networks = {models.title(name): open_shipped(name) for name in names}
    compare(demo_of(page, "wipe"), networks, open_dataset(DATA / f"smoke-v{VERSION}").frames("val")[:3])


def prune(page, outputs: Path) -> None:
    demo = demo_of(page, "criterion")
    keep(demo, "pruning")
    press(demo, "cut", "ArrowRight", 5)
    chosen = float(slider(demo, "cut").locator(".widget-readout").inner_text().strip("%")) / 100
    height, width = wait_for_match(demo, r"removed, at (\d+) x (\d+)").groups()
    analysis = Analysis(models.load_shipped("fastscnn"), (int(height), int(width)))
    plan = analysis.plan_for(chosen, criterion="l1")
    wait_for_match(demo, rf"\b{plan.macs_after / 1e9:.2f} of [\d.]+ GMACs kept, {100 * plan.cut:.1f}% removed")


def deploy(page, outputs: Path) -> None:
    demo = demo_of(page, "engine")
    keep(demo, "deploy")
    frames = open_dataset(DATA / f"smoke-v{VERSION}").frames("val")
    count = load_profile("smoke").deploy.frames
    frames = frames[:: len(frames) // count][:count]
    networks = {"fastscnn": open_shipped("fastscnn"), "fastscnn_pruned": open_shipped("fastscnn_pruned_51")}
    known = predictions(networks, frames)
    press(demo, "frame", "ArrowRight")
    press(demo, "opacity", "End")
    for engine in ("Paddle Inference, OpenVINO", "Paddle Inference, oneDNN"):
        choose(demo, "engine", engine)
        for title in networks:
            choose(demo, "network", title)
            wait_for_labels(demo, CITYSCAPES, known, (title, frames[1].stem))
    milliseconds, rate = wait_for_match(demo, r"([\d.]+) ms from frame to labels, (\d+) frames").groups()
    assert np.isclose(1000 / float(milliseconds), float(rate), rtol=0.02, atol=1)


def own_data(page, outputs: Path) -> None:
    folder = outputs / "06"
    data = open_dataset(next(folder.glob("minileaves-*/leaves")))
    nets = [models.load_saved("fastscnn", folder / run / models.WEIGHTS) for run in ("shipped_weights", "weighted")]
    best = max(nets, key=lambda net: evaluation.scores(evaluation.evaluate(net, data.frames("val")).matrix).miou)
    networks = {"unpruned": evaluation.open_network(best), "pruned": Predictor(folder / "export")}
    compare(demo_of(page, "wipe"), networks, data.frames("test")[:3])


CHECKS: dict[str, Callable] = {
    "00": play, "01": explore, "02": train, "03": evaluate, "04": prune, "05": deploy, "06": own_data,
}  # fmt: skip


@pytest.mark.parametrize("number", CHECKS)
def test_run_all_ends_without_an_error_and_a_demo_answers(number, run_all, outputs):
    page = run_all(number)
    CHECKS[number](page, outputs)
    assert not page.locator(".course-demo [role=alert]").count()
