"""The first minute after `make lab`: start page and table of contents, without questions or unsaved changes."""

from __future__ import annotations

import pytest
from jupyter_server_process import running

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def page(chrome, tmp_path):
    """What a newcomer sees: JupyterLab of `make lab` in a fresh home."""
    options = "ARGS=--no-browser --allow-root --port=0 --ip=127.0.0.1"
    with running(["make", "lab", options], tmp_path) as (url, token):
        page = chrome.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(180_000)
        page.goto(f"{url}?token={token}")
        yield page
        page.close()


def wait_for_kernel(page):
    page.locator('.jp-NotebookPanel:visible .jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    page.wait_for_timeout(3000)  # news are asked for, and changes marked, after the kernel has started


def test_start_page_opens_with_its_contents_and_without_questions(page, tmp_path):
    wait_for_kernel(page)
    assert page.title().startswith("00_play")
    assert not page.locator(".jp-Dialog, .Toastify__toast").count()
    assert not page.locator(".jp-mod-dirty").count()
    contents = page.locator(".jp-TableOfContents .jp-tocItem")
    assert contents.filter(has_text="Label a street").first.is_visible()

    # Another notebook does not open as changed either..
    page.goto(page.url.replace("00_play", "03_evaluate"))
    wait_for_kernel(page)
    assert page.title().startswith("03_evaluate") and not page.locator(".jp-mod-dirty").count()
    assert not (tmp_path / ".jupyter" / "lab" / "user-settings").exists()
