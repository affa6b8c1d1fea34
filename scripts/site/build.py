"""Build all pages of the site: the front page, one page per notebook, the documents and the report."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from helpers.common import course
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, atomic_path
from helpers.profiles import Profile
from helpers.runner import rendering
from scripts.site.pages import TEMPLATES, Page, markdown, markdown_page, notebook_page, relink

HERE = Path(__file__).parent
DOCUMENTS = ("docs/*.md", "README*.md", "CONTRIBUTING.md", "data/README.md", "outputs/README.md", "weights/*.md")
IMAGES = (".png", ".jpg", ".svg", ".gif", ".webp")
REPORT = "report.html"
# No page loads anything from elsewhere, whatever a cell has written, and only the front page runs a script: its own.
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
FRONT_POLICY = f"{POLICY}; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'"


def build(outputs: Path, profile: Profile, project: Path = PROJECT) -> Path:
    """Write the site into `outputs`/site and return this folder; an earlier site is replaced when all is done.

    `outputs` holds the executed notebooks and the report of a run of `profile`. Raises CourseError if one of them is
    missing or damaged, or if the demo cannot be written.
    """
    _check(outputs, profile, project)
    from scripts.site import demo  # imports Paddle, too long for the error above

    target = outputs / "site"
    with atomic_path(target) as folder:
        (folder / "demo").mkdir(parents=True)
        about = demo.write(folder / "demo")
        write_pages(folder, outputs, profile, about, project)
        shutil.rmtree(target, ignore_errors=True)
    return target


def write_pages(folder: Path, outputs: Path, profile: Profile, demo: Any, project: Path = PROJECT) -> None:
    """Write all of the site into `folder` except the files of the demo, which `demo`, a `Demo`, describes."""
    shutil.copytree(HERE / "static", folder / "static", ignore=shutil.ignore_patterns("*.js"))
    (folder / "static" / "notebook.css").write_text(rendering.stylesheet(), encoding="utf-8")
    shutil.copy(outputs / REPORT, folder / REPORT)
    for image in (path for path in (project / "docs").rglob("*") if path.suffix in IMAGES):
        (folder / image.relative_to(project)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / image.relative_to(project))

    notebooks = [notebook_page(outputs / source.name) for source in course.notebooks(project / "notebooks")]
    documents = [markdown_page(project, file) for pattern in DOCUMENTS for file in sorted(project.glob(pattern))]
    pages = {str(page.source): page.path for page in (*notebooks, *documents)}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    context = {
        "language": re.search(r'<html lang="([\w-]*)"|$', (folder / REPORT).read_text(encoding="utf-8"))[1] or "en",
        "policy": POLICY,
        "facts": _facts(profile),
        "menu": _menu(pages),
    }

    def write(page: Page, template: str = "page.html.j2", **more: Any) -> None:
        linked = replace(page, content=relink(page.content, page, pages, files))
        text = TEMPLATES.get_template(template).render({**context, **vars(linked), "root": page.root, **more})
        (folder / page.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / page.path).write_text(text, encoding="utf-8")

    around = [None, *notebooks, None]
    for number, page in enumerate(notebooks):
        write(page, before=around[number], after=around[number + 2])
    for page in documents:
        write(page, language="zh-CN" if "zh" in page.source.name else "en")

    readme = (project / "README.md").read_text(encoding="utf-8")
    front = Page(PurePosixPath("index.md"), "Start", "")
    parts = {name: relink(markdown(text), front, pages, files) for name, text in _parts(readme).items()}
    paths = {page.source.name[:2]: page.path for page in notebooks}
    more = {"policy": FRONT_POLICY, "report": REPORT, "documents": documents, "notebooks": paths, "demo": demo}
    write(front, "index.html.j2", **more, **parts)


def _check(outputs: Path, profile: Profile, project: Path) -> None:
    wanted = [*(source.name for source in course.notebooks(project / "notebooks")), REPORT]
    missing = [name for name in wanted if not (outputs / name).is_file()]
    if missing:
        command = "make run" if profile.name == "mini" else f"make run PROFILE={profile.name}"
        which = "none" if missing == wanted else f"no {missing[0]}"
        raise CourseError(
            f"Expected all executed notebooks and the report in {outputs}, found {which}: run `{command}` first."
        )


def _facts(profile: Profile) -> str:
    drawn = profile.data.kind != "cityscapes"
    data = "the synthetic data set MiniScapes; its scores are not Cityscapes scores" if drawn else "Cityscapes"
    return f"Profile {profile.name}, on {data}. Apache License 2.0."


def _menu(pages: dict[str, str]) -> list[tuple[str, str]]:
    menu = [("Notebooks", "index.html#notebooks"), ("Report", REPORT), ("Documents", "index.html#documents")]
    more = {"docs/glossary.md": "Glossary", "README.zh-CN.md": "中文"}
    return menu + [(name, pages[source]) for source, name in more.items() if source in pages]


def _parts(readme: str) -> dict[str, str]:
    """Return the parts of the README that the front page shows, in Markdown."""
    sections = dict(re.findall(r"^#{1,2} ([^\n]+)\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL))
    title = next(iter(sections))
    lead = max(sections[title].split("\n\n"), key=len)  # not the languages, not the picture
    return {"lead": lead, "learn": sections["What you will learn"], "start": sections["Start"]}
