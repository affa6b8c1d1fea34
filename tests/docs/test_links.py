"""Links, paths and commands in Markdown, of files and of notebooks, lead to something that exists."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
TOP_FOLDERS = {"helpers", "tests", "scripts", "notebooks", "docs", "weights"}
README_LINES = 140


def markdown_files() -> list[Path]:
    """Every *.md of the checkout that git tracks or would add, but translations, which share their notebook's links."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    try:
        names = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines()
        paths = [PROJECT / name for name in names]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        paths = [*PROJECT.glob("*.md"), *(path for folder in TOP_FOLDERS for path in (PROJECT / folder).rglob("*.md"))]
    return sorted({path for path in paths if path.is_file() and path.parent.parent.name != "notebooks"})


def prose(path: Path) -> str:
    """The Markdown of a file or of the cells of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def without_code(text: str) -> str:
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def links(text: str) -> list[str]:
    """Targets of links and images that are not URLs."""
    found = re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", without_code(text))
    return [target for target in found if not re.match(r"[a-z]+:", target) and not target.startswith("attachment")]


def anchors(text: str) -> set[str]:
    """Anchors of the headings as GitHub and JupyterLab form them."""
    found: set[str] = set()
    headings = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#{1,6} (.+?)\s*$", headings, flags=re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found |= {re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-"), shown.replace(" ", "-")}
    return found


def code_of(text: str) -> list[str]:
    """Code in backticks, and the lines of code blocks."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))
    return inline + [line for block in blocks for line in block.splitlines()]


def broken_links(text: str, path: Path) -> list[str]:
    broken = []
    for target in links(text):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists():
            broken.append(target)
        elif anchor and (there.suffix not in (".md", ".ipynb") or anchor not in anchors(prose(there))):
            broken.append(target)
    return broken


def missing_paths(text: str) -> list[str]:
    """Paths such as helpers/common/files.py that do not exist; those with <...>, * or ... are patterns."""
    words = [word.strip(",;:()'\"") for code in code_of(text) for word in code.split()]
    paths = [word.split("::")[0] for word in words if "/" in word and word.split("/")[0] in TOP_FOLDERS]
    paths = [path for path in paths if not re.search(r"[<>*{}$]|\.\.\.", path)]
    return [path for path in paths if not (PROJECT / path).exists()]


def missing_modules(text: str) -> list[str]:
    """Modules of `python -m helpers.x` that do not exist or cannot be run."""
    names = re.findall(r"python[\d.]* -m ((?:helpers|scripts)[\w.]*)", " ".join(code_of(text)))
    paths = [PROJECT / name.replace(".", "/") for name in names]
    runs = [path.with_suffix(".py").is_file() or (path / "__main__.py").is_file() for path in paths]
    return [name for name, found in zip(names, runs, strict=True) if not found]


PAGES = [*markdown_files(), *sorted((PROJECT / "notebooks").glob("*.ipynb"))]


@pytest.fixture(params=PAGES, ids=[str(path.relative_to(PROJECT)) for path in PAGES])
def page(request) -> Path:
    return request.param


def test_links_lead_to_files_and_headings(page):
    assert broken_links(prose(page), page) == []


def test_paths_in_code_exist(page):
    assert missing_paths(prose(page)) == []


def test_modules_in_commands_exist(page):
    assert missing_modules(prose(page)) == []


def test_the_checks_find_what_is_broken(tmp_path):
    (tmp_path / "other.md").write_text("## Networks")
    page = tmp_path / "page.md"
    page.write_text(
        "# One heading: `x`\n[a](missing.md) [b](#one-heading-x) [c](#none) [d](other.md#networks) [e](other.md#none) "
        "[f](https://example.org) `[g](in_code.md)` `helpers/missing.py` `helpers/common` `outputs/<profile>` "
        "`python -m helpers.missing` `python -m helpers.common`\n"
        "```\n.venv/bin/python -m helpers.models weights\n.venv/bin/pytest tests/missing.py::test\n```\n"
    )
    assert broken_links(prose(page), page) == ["missing.md", "#none", "other.md#none"]
    assert missing_paths(prose(page)) == ["helpers/missing.py", "tests/missing.py"]
    assert missing_modules(prose(page)) == ["helpers.missing", "helpers.common"]


def test_all_pages_are_seen():
    seen = {str(path.relative_to(PROJECT)) for path in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/training.md", "notebooks/05_deploy.ipynb", "data/README.md"} <= seen


def test_every_page_of_docs_is_linked_from_another_page():
    linked = {
        (path.parent / target.partition("#")[0]).resolve()
        for path in PAGES
        for target in links(prose(path))
        if target.partition("#")[0]
    }
    assert [path.name for path in DOCS.glob("*.md") if path not in linked] == []


def test_readme_is_short_and_shows_the_numbers_of_the_reference_run():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= README_LINES
    reference = json.loads((PROJECT / "outputs" / "mini" / "reference.json").read_text(encoding="utf-8"))
    rows = re.findall(r"\| ([\d.]+) \| `(\d\d\.[\w.]+)` \|", text)
    assert len(rows) >= 3
    for shown, name in rows:
        assert f"{reference[name]['value']:.3f}" == shown, name
