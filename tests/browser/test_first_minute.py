"""The first minute after `make lab`: start page and table of contents, without questions or unsaved changes."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(900)


def wait_until_shown(page, name: str) -> None:
    page.locator('.jp-NotebookPanel:visible .jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    page.wait_for_function("name => document.title.startsWith(name)", arg=name)
    page.wait_for_timeout(3000)  # news are asked for, and changes marked, after the kernel has started


def test_start_page_opens_with_its_contents_and_without_questions(make_lab, tmp_path):
    page = make_lab()
    wait_until_shown(page, "00_play")
    assert not page.locator(".jp-Dialog, .Toastify__toast").count()
    assert not page.locator(".jp-mod-dirty").count()
    page.locator(".jp-TableOfContents .jp-tocItem", has_text="Label a street").first.wait_for()

    # Another notebook does not open as changed either.
    page.goto(page.url.replace("00_play", "03_evaluate"))
    wait_until_shown(page, "03_evaluate")
    assert not page.locator(".jp-mod-dirty").count()
    assert not (tmp_path / ".jupyter" / "lab" / "user-settings").exists()
