"""The report page: one file without network access, with formulas and static widgets."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from helpers.common.errors import CourseError
from helpers.runner import rendering, report
from helpers.widgets.picture import Picture

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Page(HTMLParser):
    """Collect the ids, links and resources of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.ids += [values["id"]] if "id" in values else []
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag != "a":
            self.loads += [values[name] for name in ("src", "href", "data") if name in values]


@pytest.fixture
def build(tmp_path):
    """build({"01_a": [cells]}) -> text of the page"""

    def build(notebooks: dict[str, list], metadata: dict | None = None) -> str:
        paths = []
        for name, cells in notebooks.items():
            path = tmp_path / f"{name}.ipynb"
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata or {}), path)
            paths.append(path)
        return report.build(tmp_path, [*paths, tmp_path / "09_not_run.ipynb"], profile="smoke").read_text()

    return build


def markdown(text: str):
    return nbformat.v4.new_markdown_cell(text)


def code(data: dict):
    output = nbformat.v4.new_output("display_data", data=data)
    return nbformat.v4.new_code_cell("show()", outputs=[output], execution_count=1)


def test_page_loads_nothing_and_runs_no_script(build):
    page = Page(build({"01_a": [markdown("# A $x$"), code({"image/png": PIXEL, "text/plain": "x"})]}))
    assert page.loads and all(load.startswith("data:") for load in page.loads)
    assert "script" not in page.tags and "link" not in page.tags


def test_headings_of_two_notebooks_have_unique_ids_and_links_resolve(build):
    cells = [markdown("# Title"), markdown("[next](02_b.ipynb) [down](#Recap)"), markdown("## Recap")]
    page = Page(build({"01_a": cells, "02_b": cells}))
    assert len(page.ids) == len(set(page.ids))
    inner = [link[1:] for link in page.links if link.startswith("#")]
    assert {"01_a", "02_b", "01_a-Recap", "02_b-Recap"} <= set(inner)
    assert set(inner) <= set(page.ids)


def test_formulas_become_mathml_but_code_and_prices_do_not(build):
    text = build({"01_a": [markdown(r"$a_1*b_1*c$ and `$x$` and \$5" + "\n\n$$\\frac{a}{b}$$")]})
    assert text.count("<math") == 2 and "<mfrac>" in text
    assert "<code>$x$</code>" in text and "$5" in text
    assert "<em>" not in text


@pytest.mark.parametrize("formula", [r"\frac{", r"\left( x", "a^b^c", "", r"\href", r"\genfrac) \substack\end{matrix}"])
def test_formula_that_cannot_be_converted_is_shown_as_written(formula):
    assert rendering.to_mathml(formula, display="inline") == f"<code>{formula}</code>"


def test_aligned_lines_become_a_table():
    assert rendering.to_mathml(r"\begin{aligned}a &= b \\ c &= d\end{aligned}", display="block").count("<mtr>") == 2


def test_latex_outputs_become_mathml(build):
    assert "<msub>" in build({"01_a": [code({"text/latex": "$y_3$", "text/plain": "y3"})]})


def test_widget_is_replaced_by_its_image_and_texts(build):
    view = "application/vnd.jupyter.widget-view+json"
    models = {
        "box": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_image", "IPY_MODEL_text"]}},
        "image": {
            "model_name": "ImageModel",
            "state": {"format": "png"},
            "buffers": [{"data": PIXEL, "encoding": "base64", "path": ["value"]}],
        },
        "text": {"model_name": "LabelModel", "state": {"value": "19 < 20"}},
    }
    state = {"application/vnd.jupyter.widget-state+json": {"state": models, "version_major": 2, "version_minor": 0}}
    text = build({"01_a": [code({view: {"model_id": "box"}, "text/plain": "VBox()"})]}, {"widgets": state})
    assert text.count(PIXEL) == 1 and "19 &lt; 20" in text
    assert "script" not in Page(text).tags


def test_image_of_a_demo_is_in_the_report(build):
    """Use the saved state of a `Picture` as the widget itself writes it."""
    demo = Picture(alt="a street & its labels")
    demo.show(np.zeros((2, 2, 3), np.uint8), "png")
    state = demo.get_state()
    picture = base64.b64encode(state.pop("value")).decode()
    models = {
        "demo": {
            "model_name": state["_model_name"],
            "state": state,
            "buffers": [{"data": picture, "encoding": "base64", "path": ["value"]}],
        }
    }
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "demo"}}
    saved = {"application/vnd.jupyter.widget-state+json": {"state": models, "version_major": 2, "version_minor": 0}}
    text = build({"01_a": [code({**view, "text/plain": "Picture()"})]}, {"widgets": saved})
    assert f'alt="a street &amp; its labels" src="data:image/png;base64,{picture}"' in text


def test_names_and_texts_from_files_are_escaped(build):
    models = {
        "image": {
            "model_name": "ImageModel",
            "state": {"format": 'png"><script>1</script>'},
            "buffers": [{"data": PIXEL + '"><script>2</script>', "encoding": "base64", "path": ["value"]}],
        },
        "output": {
            "model_name": "OutputModel",
            "state": {"outputs": [{"text": "<script>3</script>"}, {"data": {"image/png": PIXEL + '"><script>'}}]},
        },
        "box": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_image", "IPY_MODEL_output"]}},
    }
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "box"}}
    saved = {"application/vnd.jupyter.widget-state+json": {"state": models, "version_major": 2, "version_minor": 0}}
    cells = [markdown("# Title & more"), code({**view, "text/plain": "VBox()"})]
    page = Page(build({'01_a"><script>x': cells}, {"widgets": saved}))
    assert "script" not in page.tags
    assert all(load.startswith("data:") for load in page.loads)
    assert '01_a"><script>x' in page.ids and '#01_a"><script>x' in page.links


SCRIPT = "<script>alert(1)</script>"


def test_outputs_that_name_files_metrics_and_errors_are_escaped(build):
    v4 = nbformat.v4
    outputs = [
        v4.new_output("stream", text=f"01.miou.{SCRIPT} 0.4\n"),  # a metric name
        v4.new_output("display_data", data={"text/plain": f"frame {SCRIPT}", "image/png": PIXEL}),  # a caption
        v4.new_output("execute_result", data={"text/html": pd.DataFrame({SCRIPT: [SCRIPT]}).to_html()}),  # a table
        v4.new_output("error", ename=f"Error{SCRIPT}", evalue=SCRIPT, traceback=[f"\x1b[31mError: {SCRIPT}\x1b[0m"]),
    ]
    cells = [markdown("# Title"), v4.new_code_cell(f"# {SCRIPT}\nshow()", outputs=outputs, execution_count=1)]
    text = build({"01_a": cells})
    assert "script" not in Page(text).tags
    assert text.count("&lt;script&gt;alert(1)") >= 4


def test_policy_forbids_scripts_and_downloads(build):
    text = build({"01_a": [code({"text/html": "<script>document.title = 'changed'</script>"})]})
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)[1]
    assert "default-src 'none'" in policy and "script-src" not in policy and "img-src data:;" in policy


def test_head_lists_profile_versions_and_hardware(build):
    text = build({"01_a": [markdown("# The title & more")]})
    assert "profile smoke" in text and "Python 3." in text and "cores of" in text
    assert re.search(r'<a href="#01_a">The title &amp; more</a>', text)


@pytest.mark.parametrize("content", ["", "not json", '{"cells": [{"cell_ty', "[1]", '{"nbformat": 4}'])
def test_earlier_report_is_kept_if_a_notebook_cannot_be_read(content, tmp_path: Path):
    (tmp_path / "report.html").write_text("earlier")
    (tmp_path / "01_a.ipynb").write_text(content)
    with pytest.raises(CourseError, match=r"01_a\.ipynb is damaged .* run it again, with ONLY=01\."):
        report.build(tmp_path, [tmp_path / "01_a.ipynb"], profile="smoke")
    assert (tmp_path / "report.html").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01_a.ipynb", "report.html"]
