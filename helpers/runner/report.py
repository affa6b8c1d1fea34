"""Build report.html: the executed notebooks on one page that needs no network.

`helpers.runner.rendering` turns notebooks into HTML. Large images are compressed. The page's policy forbids scripts and
downloads, whatever HTML a cell has written.
"""

from __future__ import annotations

import html
import platform
import re
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from helpers.common.files import write_text
from helpers.runner import hardware, rendering
from helpers.runner.images import compact
from helpers.runner.trend import section
from helpers.runner.verdicts import Verdict
from helpers.translations import words

VERSIONS = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "paddleseg",
    "paddleslim",
    "numpy",
    "opencv-python-headless",
    "papermill",
)
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def build(
    folder: Path,
    executed: list[Path],
    *,
    profile: str,
    language: str = "en",
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
    language : str, default "en"
        Language of the headings.
    verdicts, errors : list, optional
        Comparison of the metrics, and sentences on notebooks that failed: the first section of the page.
    runs : list of dict, optional
        Lines of the history, oldest first.

    Raises CourseError if a notebook is damaged.
    """
    say = words(language, "report")
    sections, contents = [], []
    for path in executed:
        if not path.is_file():
            continue
        notebook = rendering.read(path)
        title = rendering.title(notebook) or path.stem
        name = html.escape(path.stem)
        contents.append(f'<li><a href="#{name}">{html.escape(title)}</a></li>')
        run = f'<p class="run">{name}{rendering.when(notebook)}</p>'
        sections.append(f'<section id="{name}">\n{run}\n{_body(notebook, name)}\n</section>')
    facts = "".join(
        f"<dt>{html.escape(say[name])}</dt><dd>{html.escape(text)}</dd>" for name, text in _facts(profile).items()
    )
    title = f"{say['Street scenes, profile']} {html.escape(profile)}"
    box = '<input type="checkbox" id="hide-code">'
    page = f"""<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>{rendering.stylesheet()}</style></head>
<body>
<header><h1>{title}</h1><dl>{facts}</dl>
<nav><ul>{"".join(contents)}</ul><label>{box} {say["hide the code"]}</label></nav></header>
<main>
{section(verdicts or [], errors or [], runs or [])}
{"".join(sections)}
</main></body></html>
"""
    target = folder / "report.html"
    write_text(target, compact(page))
    return target


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


def _body(notebook, name: str) -> str:
    """Return the cells as HTML; the escaped `name` prefixes the ids of headings, which must be unique on the page."""
    body = rendering.body(notebook, f"{name}-")
    # links between notebooks lead to their sections of this page
    return re.sub(r'href="(?:\./)?(\d\d_\w+)\.ipynb(?:#[^"]*)?"', r'href="#\1"', body)
