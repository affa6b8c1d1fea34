"""A real JupyterLab and a real browser for the tests of the demos, since half of a widget is JavaScript."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import nbformat
import pytest
from jupyter_server_process import PROJECT, WAIT_MS, end_kernels, running
from lab_pages import wait_for_kernel


def chromium() -> str | None:
    """Return the path of the installed browser; Playwright's own download is not used."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Start JupyterLab with the settings of the course: (folder of notebooks, address, token)."""
    home = tmp_path_factory.mktemp("lab")
    notebooks = home / "notebooks"
    notebooks.mkdir()
    options = ["--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1", f"--ServerApp.root_dir={notebooks}"]
    settings = str(PROJECT / "scripts" / "jupyterlab")
    command = [sys.executable, "-m", "jupyterlab", *options]
    with running(command, home, JUPYTER_CONFIG_PATH=settings, PYTHONPATH=str(PROJECT)) as (url, token):
        yield notebooks, f"{url}lab", token


@pytest.fixture(scope="module")
def chrome():
    """A headless browser for one file: while Playwright runs, so does an event loop, which other tests would meet."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not chromium():
        missing = "Chromium is not installed: install the package chromium"
        pytest.fail(missing) if os.environ.get("COURSE_RUN_ALL") else pytest.skip(missing)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def make_lab(chrome, tmp_path):
    """`make_lab("LANGUAGE=zh")` returns the page that `make lab LANGUAGE=zh` opens, in a fresh home.

    It shows the notebooks of the course themselves, so the browser cannot save them.
    """

    def without_saving(route):
        route.abort() if route.request.method == "PUT" else route.continue_()

    with ExitStack() as stack:

        def open_lab(*arguments: str):
            options = "ARGS=--no-browser --allow-root --port=0 --ip=127.0.0.1"
            url, token = stack.enter_context(running(["make", "lab", *arguments, options], tmp_path))
            page = chrome.new_page(viewport={"width": 1400, "height": 1000})
            stack.callback(page.close)
            page.set_default_timeout(WAIT_MS)
            page.route("**/api/contents/**", without_saving)
            page.goto(f"{url}?token={token}")
            return page

        yield open_lab


@pytest.fixture
def run_cell(lab, chrome, request):
    """`run_cell(source)` opens a notebook with this cell in JupyterLab, executes it, and returns the page.

    The cell must not raise. If the test fails, the cell's output is printed.
    """
    folder, address, token = lab
    pages = []

    def run(source: str):
        name = f"demo{len(list(folder.iterdir()))}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, folder / name)
        page = chrome.new_page(viewport={"width": 1400, "height": 1200})
        pages.append(page)
        page.set_default_timeout(WAIT_MS)
        # The default workspace would reopen the notebooks of earlier tests.
        page.goto(f"{address}/workspaces/{Path(name).stem}/tree/{name}?token={token}")
        wait_for_kernel(page)
        _execute(page)
        errors = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
        assert not errors.count(), errors.first.inner_text()
        return page

    yield run
    for page in pages:
        if request.node.stash.get(FAILED, False):
            shown = page.locator(".jp-Cell-outputArea").all_inner_texts()
            print("Output of the cell:", *(shown or ["nothing"]), sep="\n")
        page.close()
    end_kernels(*lab[1:])


def _execute(page) -> None:
    """Press Shift+Enter in the first cell until it has run.

    A key pressed before the notebook has its kernel is silently lost, and JupyterLab calls a kernel idle before that.
    A cell that was sent has the prompt "[*]:".
    """
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").first
    until = time.monotonic() + WAIT_MS / 1000
    while not re.search(r"\[\d+\]:", text := prompt.inner_text()):
        assert time.monotonic() < until, f"the cell does not run: its prompt is {text!r}"
        if "[*]:" not in text:
            page.locator(".jp-CodeCell .cm-content").first.click()
            page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(1000)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember a failure, so that `run_cell` can print the output before it closes the page."""
    report = yield
    if report.when != "teardown" and report.failed:
        item.stash[FAILED] = True
    return report
