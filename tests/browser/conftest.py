"""A real JupyterLab and a real browser for the tests of the demos, since half of a widget is JavaScript."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

PROJECT = Path(__file__).resolve().parents[2]
WAIT_MS = 180_000  # for a kernel to start on a busy machine


def chromium() -> str | None:
    """Return the path of the installed browser; Playwright's own download is not used."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Start JupyterLab: (folder of notebooks, address, token)."""
    home = tmp_path_factory.mktemp("lab")
    notebooks, runtime = home / "notebooks", home / "runtime"
    notebooks.mkdir()
    environment = {
        **os.environ,
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(PROJECT),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    options = ["--ServerApp.root_dir=" + str(notebooks), "--LabApp.news_url=None", "--LabApp.check_for_updates_class="
               "jupyterlab.handlers.announcements.NeverCheckForUpdate"]  # fmt: skip
    log = (home / "log").open("w")
    server = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + WAIT_MS / 1000
        while not (found := list(runtime.glob("jpserver-*.json"))):
            assert server.poll() is None and time.monotonic() < until, (home / "log").read_text()
            time.sleep(0.2)
        state = json.loads(found[0].read_text())
        yield notebooks, f"{state['url']}lab", state["token"]
    finally:
        server.terminate()
        server.wait(120)  # it stops its kernels first
        log.close()


@pytest.fixture(scope="session")
def chrome():
    """A headless browser."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not chromium():
        pytest.skip("Chromium is not installed: install the package chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


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
        page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
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


def _execute(page) -> None:
    """Press Shift+Enter in the first cell until it has run.

    A key pressed before the notebook has its kernel is silently lost, and JupyterLab calls a kernel idle before that.
    A cell that was sent has the prompt "[*]:".
    """
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").first
    until = time.monotonic() + WAIT_MS / 1000
    while "[1]:" not in (text := prompt.inner_text()):
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
