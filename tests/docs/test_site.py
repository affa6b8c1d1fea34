"""The pages of the site: links lead somewhere, widgets keep their picture, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from helpers.common.files import PROJECT
from helpers.profiles import load_profile
from scripts.site import build
from scripts.site.__main__ import main
from scripts.site.pages import Page, markdown, notebook_page, relink

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DEMO = SimpleNamespace(network={"title": "Tiny"}, samples=[], palettes=["one"])


class Tags(HTMLParser):
    """Collect ids, links, resources and the policy of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id", ""))
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif tag == "meta" and values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        else:
            self.loads += [values[name] for name in ("src", "href") if name in values]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The pages of the course, of the notebooks only the texts."""
    outputs, folder = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("site")
    for source in (PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        notebook = nbformat.read(source, as_version=4)
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        nbformat.write(notebook, outputs / source.name)
    (outputs / build.REPORT).write_text('<!DOCTYPE html><html lang="en"><title>Report</title></html>')
    (folder / "demo").mkdir()
    (folder / "demo" / "demo.js").touch()
    build.write_pages(folder, outputs, load_profile("smoke"), DEMO)
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Tags]:
    return {path.relative_to(site).as_posix(): Tags(path.read_text()) for path in site.rglob("*.html")}


def test_there_is_a_page_for_each_notebook_and_document(pages):
    sources = [*(PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb"), *(PROJECT / "docs").glob("*.md")]
    assert {"index.html", "report.html", "README.html"} <= set(pages)
    assert {source.relative_to(PROJECT).with_suffix(".html").as_posix() for source in sources} <= set(pages)


def test_links_lead_to_pages_and_headings(site, pages):
    broken = []
    for name, page in pages.items():
        for target in (*page.links, *page.loads):
            parts = urlsplit(target)
            if parts.scheme:
                continue
            path = (site / PurePosixPath(name).parent / unquote(parts.path)).resolve() if parts.path else site / name
            found = path.relative_to(site).as_posix() if path.is_relative_to(site) else ""
            if not path.is_file() or (parts.fragment and parts.fragment not in pages[found].ids):
                broken.append(f"{name}: {target}")
    assert broken == []


def test_pages_load_only_files_of_the_site_and_run_only_its_script(pages):
    for name, page in pages.items():
        assert all(load.startswith("data:") or not urlsplit(load).netloc for load in page.loads), name
        if name != "report.html":  # a file of the runner, with a policy of its own
            assert page.policy.startswith("default-src 'none'; ")
            assert ("script-src 'self'" in page.policy) == (name == "index.html")


def test_a_notebook_links_to_its_neighbours(pages):
    names = sorted(name for name in pages if name.startswith("notebooks/"))
    for before, after in zip(names, names[1:], strict=False):
        assert f"../{after}" in pages[before].links and f"../{before}" in pages[after].links


def test_a_widget_keeps_its_last_picture_and_a_cell_cannot_run_a_script(tmp_path):
    view, state = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
    buffers = [{"data": PIXEL, "encoding": "base64", "path": ["value"]}]
    models = {"x": {"model_name": "ImageModel", "state": {"format": "png"}, "buffers": buffers}}
    output = nbformat.v4.new_output("display_data", data={view: {"model_id": "x"}, "text/plain": "Demo()"})
    cells = [nbformat.v4.new_markdown_cell("# A <b>title</b>"), nbformat.v4.new_code_cell("demo", outputs=[output])]
    saved = {"widgets": {state: {"state": models, "version_major": 2, "version_minor": 0}}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=saved), tmp_path / "07_a.ipynb")
    page = notebook_page(tmp_path / "07_a.ipynb")
    assert f"data:image/png;base64,{PIXEL}" in page.content
    assert page.path == "notebooks/07_a.html"
    assert "script-src" not in build.POLICY


def links_of(text: str, monkeypatch, **environment: str) -> str:
    for name in ("SERVER_URL", "REPOSITORY", "SHA"):
        monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    page = Page(PurePosixPath("docs/a.md"), "A", markdown(text))
    pages = {"docs/a.md": "docs/a.html", "notebooks/01_b.ipynb": "notebooks/01_b.html"}
    return " ".join(re.findall(r'<a href="([^"]*)"', relink(page.content, page, pages, {"docs/c.png"})))


def test_links_of_a_page(monkeypatch):
    text = (
        "[x](../notebooks/01_b.ipynb#A-heading) [x](#B-·-二) [x](c.png) [x](https://example.org/a.md) [x](../helpers/)"
    )
    expected = "../notebooks/01_b.html#a-heading #b--二 ../docs/c.png https://example.org/a.md"
    assert links_of(text, monkeypatch) == expected
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_SHA": "1f"}
    assert links_of(text, monkeypatch, **github) == f"{expected} https://github.com/a/b/blob/1f/helpers"


def test_command_that_serves_the_site_can_be_pasted(tmp_path, monkeypatch, capsys):
    outputs = tmp_path / "my outputs"
    monkeypatch.setattr("scripts.site.__main__.build", lambda outputs, profile: outputs / "site")
    assert main(["--profile", "smoke", "--output-dir", str(outputs)]) == 0
    (command,) = re.findall("`(.+)`", capsys.readouterr().out)
    assert shlex.split(command)[-1] == str(outputs / "site")


@pytest.mark.parametrize("profile, command", [("mini", "make run"), ("smoke", "make run PROFILE=smoke")])
def test_without_a_run_one_sentence_says_what_to_do(profile, command, tmp_path, capsys):
    assert main(["--profile", profile, "--output-dir", str(tmp_path)]) == 2
    shown = capsys.readouterr().err
    assert shown == (
        f"Expected all executed notebooks and the report in {tmp_path}, found none: run `{command}` first.\n"
    )
    (tmp_path / "00_play.ipynb").touch()
    assert main(["--profile", profile, "--output-dir", str(tmp_path)]) == 2
    assert "found no 01_explore_cityscapes.ipynb: run" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()
