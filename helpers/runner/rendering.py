"""Turn executed notebooks into HTML that needs no network.

Formulas become MathML, which browsers render themselves, where nbconvert loads MathJax from a server. Images are
embedded. A widget is replaced by the images and texts that it showed. Names and texts from files are escaped; whatever
HTML a cell has written is kept, so a page needs a policy that forbids scripts.
"""

from __future__ import annotations

import base64
import html
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.runner.status import clock

STYLE = Path(__file__).with_name("report.css")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def read(path: Path):
    """Read an executed notebook. Raises CourseError if it is damaged."""
    import nbformat  # takes 2 s to import, too long for a command that only reports a typing error

    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, ValueError) as error:
        again = f"run it again, with ONLY={path.name[:2]}"
        raise CourseError(f"{path} is damaged and cannot be part of the report: {again}.") from error


def title(notebook) -> str:
    """Return the first heading of a notebook, or an empty string."""
    for cell in notebook.cells:
        match = re.search(r"^# +(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if match:
            return match[1].strip()
    return ""


def when(notebook) -> str:
    """Return ", run on DATE in TIME", or an empty string if papermill has not executed the notebook."""
    run = notebook.metadata.get("papermill", {})
    if not run.get("start_time") or not run.get("duration"):
        return ""
    started = datetime.fromisoformat(run["start_time"]).astimezone()
    return f", run on {started:%Y-%m-%d %H:%M} in {clock(run['duration'])}"


def stylesheet() -> str:
    """Return the CSS of `body`."""
    from pygments.formatters import HtmlFormatter

    return STYLE.read_text(encoding="utf-8") + HtmlFormatter(style="default").get_style_defs(".highlight")


def body(notebook, prefix: str = "") -> str:
    """Return the cells as HTML. `prefix` is escaped, and starts the ids of headings and links to them.

    Outputs that need JupyterLab are replaced in `notebook`.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "data" in output:
                _make_static(output["data"], notebook.metadata)
    notebook.metadata.pop("widgets", None)
    cells, _ = _exporter().from_notebook_node(notebook)
    anchor = r'<h[1-6] id="|\bid="(?=cell-id=)|<a class="anchor-link" href="#|<a href="#'
    return re.sub(anchor, lambda match: f"{match[0]}{prefix}", cells) if prefix else cells


@cache
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
    except (*failures, StopIteration, ValueError, LookupError):  # the last three are bugs of its parser
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


def _image(content: str, kind: str, alt: str = "") -> str:
    """Return an embedded image from base64 text, with its alternative text, or nothing if it is empty."""
    encoded = base64.b64encode(base64.b64decode(content)).decode()  # base64 only, whatever the text held
    source = f"data:image/{html.escape(kind)};base64,{encoded}"
    return f'<img alt="{html.escape(alt)}" src="{source}">' if encoded else ""


def _widget(model_id: str, models: dict[str, Any]) -> list[str]:
    """Return the images and texts of a widget and its children as HTML, from the saved state."""
    model = models.get(model_id, {})
    state = model.get("state", {})
    kind = model.get("model_name", "")
    found = []
    if kind == "ImageModel" or state.get("_anywidget_id", "").endswith(".Picture"):  # helpers.widgets.picture
        look = state.get("format", "png"), state.get("alt", "")
        found += [_image(buffer["data"], *look) for buffer in model.get("buffers", [])]
    elif kind in ("HTMLModel", "HTMLMathModel"):
        found.append(f"<div>{state.get('value', '')}</div>")  # HTML by definition; the policy bars its scripts
    elif kind == "LabelModel":
        found.append(f"<div>{html.escape(state.get('value', ''))}</div>")
    elif kind == "OutputModel":
        for output in state.get("outputs", []):
            image = output.get("data", {}).get("image/png")
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            found.append(_image(image, "png", alt) if image else f"<pre>{html.escape(text)}</pre>")
    for child in state.get("children", []):
        found += _widget(child.removeprefix("IPY_MODEL_"), models)
    return found
