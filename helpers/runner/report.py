"""Build report.html: the executed notebooks on one page that needs no network.

Formulas become MathML, which browsers render themselves, where nbconvert loads MathJax from a server. Images are
embedded, large ones compressed. A widget is replaced by the images and texts that it showed. Names and texts from files
are escaped, and the page's policy forbids scripts and downloads, whatever HTML a cell has written.
"""

from __future__ import annotations

import base64
import html
import platform
import re
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import write_text
from helpers.runner import hardware
from helpers.runner.images import compact
from helpers.runner.reference import Verdict
from helpers.runner.status import clock
from helpers.runner.trend import section

VERSIONS = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "paddleseg",
    "paddleslim",
    "numpy",
    "opencv-python-headless",
    "papermill",
)
STYLE = Path(__file__).with_name("report.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def build(
    folder: Path,
    executed: list[Path],
    *,
    profile: str,
    verdicts: list[Verdict] | None = None,
    errors: list[str] | None = None,
    runs: list[dict[str, Any]] | None = None,
) -> Path:
    """Write `folder`/report.html and return its path.

    Parameters
    ----------
    folder : Path
        Output folder.
    executed : list of Path
        Executed notebooks; those that do not exist are left out.
    profile : str
        Name of the profile.
    verdicts, errors : list, optional
        Comparison of the metrics, and sentences on notebooks that failed: the first section of the page.
    runs : list of dict, optional
        Lines of the history, oldest first.

    Raises CourseError if a notebook is damaged.
    """
    import nbformat  # takes 2 s to import, too long for a command that only reports a typing error

    sections, contents = [], []
    for path in executed:
        if not path.is_file():
            continue
        try:
            notebook = nbformat.read(path, as_version=4)
        except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, ValueError) as error:
            again = f"run it again, with ONLY={path.name[:2]}"
            raise CourseError(f"{path} is damaged and cannot be part of the report: {again}.") from error
        title = _title(notebook) or path.stem
        name = html.escape(path.stem)
        contents.append(f'<li><a href="#{name}">{html.escape(title)}</a></li>')
        sections.append(
            f'<section id="{name}">\n<p class="run">{name}{_when(notebook)}</p>\n{_body(notebook, name)}\n</section>'
        )
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in _facts(profile).items()
    )
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>Street scenes, profile {html.escape(profile)}</title>
<style>{_style()}</style></head>
<body>
<header><h1>Street scenes, profile {html.escape(profile)}</h1><dl>{facts}</dl>
<nav><ul>{"".join(contents)}</ul><label><input type="checkbox" id="hide-code"> hide the code</label></nav></header>
<main>
{section(verdicts or [], errors or [], runs or [])}
{"".join(sections)}
</main></body></html>
"""
    target = folder / "report.html"
    write_text(target, compact(page))
    return target


def _title(notebook) -> str:
    for cell in notebook.cells:
        match = re.search(r"^# +(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if match:
            return match[1].strip()
    return ""


def _when(notebook) -> str:
    run = notebook.metadata.get("papermill", {})
    if not run.get("start_time") or not run.get("duration"):
        return ""
    started = datetime.fromisoformat(run["start_time"]).astimezone()
    return f", run on {started:%Y-%m-%d %H:%M} in {clock(run['duration'])}"


def _facts(profile: str) -> dict[str, str]:
    found = []
    for name in VERSIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return {
        "Profile": profile,
        "Written": f"{datetime.now():%Y-%m-%d %H:%M}",
        "Hardware": hardware.describe(),
        "Versions": ", ".join([f"Python {platform.python_version()}", *found]),
    }


def _style() -> str:
    from pygments.formatters import HtmlFormatter

    return STYLE.read_text(encoding="utf-8") + HtmlFormatter(style="default").get_style_defs(".highlight")


def _body(notebook, name: str) -> str:
    """Return the cells as HTML; the escaped `name` prefixes the ids of headings, which must be unique on the page."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                _make_static(output["data"], notebook.metadata)
    notebook.metadata.pop("widgets", None)
    body, _ = _exporter().from_notebook_node(notebook)
    anchor = r'<h[1-6] id="|\bid="(?=cell-id=)|<a class="anchor-link" href="#|<a href="#'
    body = re.sub(anchor, lambda match: f"{match[0]}{name}-", body)
    # links between notebooks lead to their sections of this page
    return re.sub(r'href="(?:\./)?(\d\d_\w+)\.ipynb(?:#[^"]*)?"', r'href="#\1"', body)


def _exporter():
    from jinja2 import pass_context
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def block_math(self, body: str) -> str:
            return to_mathml(body, display="block")

        def inline_math(self, body: str) -> str:
            return to_mathml(body, display="inline")

        def latex_environment(self, name: str, body: str) -> str:
            return to_mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", display="block")

    class Exporter(HTMLExporter):
        @pass_context
        def markdown2html(self, context, source):
            attachments = context.get("cell", {}).get("attachments", {})
            return MarkdownWithMath(renderer=Renderer(escape=False, attachments=attachments)).render(source)

    return Exporter(template_name="basic")


def to_mathml(formula: str, display: str) -> str:
    """Convert LaTeX math to a MathML element, or show it as written if the conversion fails."""
    from latex2mathml import converter, exceptions

    failures = tuple(kind for kind in vars(exceptions).values() if isinstance(kind, type))
    # latex2mathml 3.81 supports only the second name of each pair
    known = formula.replace("{aligned}", "{align}").replace(r"\operatorname{", r"\mathrm{")
    try:
        return converter.convert(known.strip(), display=display)
    except failures:
        return f"<code>{html.escape(formula)}</code>"


def _make_static(data: dict[str, Any], metadata) -> None:
    """Replace outputs that need JupyterLab by static ones."""
    data.pop("application/javascript", None)
    if "text/latex" in data and not {"text/html", "image/png", "image/svg+xml"} & set(data):
        formula = data.pop("text/latex").strip()
        display = "inline" if formula.startswith("$") and not formula.startswith("$$") else "block"
        data["text/html"] = to_mathml(formula.strip("$"), display=display)
    if WIDGET_VIEW in data:
        models = metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
        shown = "".join(_widget(data.pop(WIDGET_VIEW)["model_id"], models))
        data["text/html"] = f'<div class="widget">{shown}<p>Interactive in JupyterLab.</p></div>'


def _image(content: str, kind: str) -> str:
    """Return an embedded image from base64 text, or nothing if it is empty."""
    encoded = base64.b64encode(base64.b64decode(content)).decode()  # base64 only, whatever the text held
    return f'<img alt="" src="data:image/{html.escape(kind)};base64,{encoded}">' if encoded else ""


def _widget(model_id: str, models: dict[str, Any]) -> list[str]:
    """Return the images and texts of a widget and its children as HTML, from the saved state."""
    model = models.get(model_id, {})
    state = model.get("state", {})
    kind = model.get("model_name", "")
    found = []
    if kind == "ImageModel" or state.get("_anywidget_id", "").endswith(".Picture"):  # helpers.widgets.picture
        found += [_image(buffer["data"], state.get("format", "png")) for buffer in model.get("buffers", [])]
    elif kind in ("HTMLModel", "HTMLMathModel"):
        found.append(f"<div>{state.get('value', '')}</div>")  # HTML by definition; the policy bars its scripts
    elif kind == "LabelModel":
        found.append(f"<div>{html.escape(state.get('value', ''))}</div>")
    elif kind == "OutputModel":
        for output in state.get("outputs", []):
            image = output.get("data", {}).get("image/png")
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            found.append(_image(image, "png") if image else f"<pre>{html.escape(text)}</pre>")
    for child in state.get("children", []):
        found += _widget(child.removeprefix("IPY_MODEL_"), models)
    return found
