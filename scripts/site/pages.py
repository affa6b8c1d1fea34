"""Turn notebooks and Markdown into the pages of the site, with the renderer of the report."""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import jinja2
import nbformat

from helpers.runner import rendering
from helpers.runner.images import compact

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True
)
_LINK = re.compile(r'<a\b([^>]*?)\shref="([^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)
_ID = re.compile(r'(<h[1-6] id=")([^"]*)"')
_HEADING = re.compile(r'<h2 id="([^"]*)">(.*?)<a class="anchor-link"', re.DOTALL)


@dataclass
class Page:
    """A page of the site.

    Attributes
    ----------
    source : PurePosixPath
        File in the repository from which it is made; links are relative to it.
    title : str
        First heading.
    content : str
        The cells as HTML, with the links of the source.
    run : str
        When the notebook ran and for how long.
    path : str
        Path of the page in the site: that of the source, ending in .html.
    headings : list of (anchor, text)
        Its sections.
    """

    source: PurePosixPath
    title: str
    content: str
    run: str = ""
    path: str = field(init=False)
    headings: list[tuple[str, str]] = field(init=False)

    def __post_init__(self):
        self.path = str(self.source.with_suffix(".html"))
        self.content = _ID.sub(lambda match: f'{match[1]}{_anchor(match[2])}"', self.content)
        found = [(anchor, _text(heading)) for anchor, heading in _HEADING.findall(self.content)]
        self.headings = found if len(found) > 3 else []

    @property
    def root(self) -> str:
        """The relative path from this page to the root of the site."""
        return "../" * (len(self.source.parts) - 1)


def notebook_page(file: Path) -> Page:
    """Return the page of an executed notebook. Raises CourseError if it is damaged."""
    notebook = rendering.read(file)
    title, when = rendering.title(notebook) or file.stem, rendering.when(notebook)
    return Page(PurePosixPath("notebooks", file.name), title, compact(rendering.body(notebook)), when.lstrip(", "))


def markdown_page(project: Path, file: Path) -> Page:
    """Return the page of a Markdown file in `project`."""
    text = file.read_text(encoding="utf-8")
    heading = re.search(r"^# +(.+)$", text, re.MULTILINE)
    source = PurePosixPath(file.relative_to(project).as_posix())
    # the heading of the README is the name of the site
    title = heading[1].replace("`", "") if heading and str(source) != "README.md" else source.stem
    return Page(source, title, markdown(text))


def markdown(text: str) -> str:
    """Return Markdown as HTML, as a cell of a notebook would show it."""
    cell = nbformat.v4.new_markdown_cell(text)
    cell.id = "text"  # random by default
    return rendering.body(nbformat.v4.new_notebook(cells=[cell]))


def relink(content: str, page: Page, pages: dict[str, str], files: set[str]) -> str:
    """Let the links of `page` lead to pages of the site.

    `pages`: path in the site of each source. `files`: other files of the site. A link to another file of the
    repository leads to its source where the site is published from, and is plain text elsewhere.
    """

    def replace(match: re.Match[str]) -> str:
        before, target, after, text = match.groups()
        parts = urlsplit(html.unescape(target))
        if parts.scheme or parts.netloc:
            return f'<a{before} href="{target}" rel="noopener"{after}>{text}</a>'
        fragment = f"#{_anchor(parts.fragment)}" if parts.fragment else ""
        if not parts.path:
            return f'<a{before} href="{html.escape(fragment)}"{after}>{text}</a>'
        there = os.path.normpath(page.source.parent / unquote(parts.path))
        if there in pages or there in files:
            found = page.root + pages.get(there, there) + fragment
        elif (repository := _repository()) and not there.startswith(".."):
            found = f"{repository}/{there}"
        else:
            return text
        return f'<a{before} href="{html.escape(found)}"{after}>{text}</a>'

    return _LINK.sub(replace, content)


def _repository() -> str:
    """Return the address of the files of the repository if a workflow of GitHub builds the site, else nothing."""
    names = [os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "SHA")]
    return "{}/{}/blob/{}".format(*names) if all(names) else ""


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, escaped or not, as GitHub forms it; those of JupyterLab become the same."""
    return re.sub(r"[^\w\- ]", "", unquote(html.unescape(heading)).lower()).replace(" ", "-")


def _text(heading: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", heading)).strip()
