"""The map of the course, read from the opening cell of each notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path

from IPython.display import Markdown

from helpers.common.course import notebooks
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT


def contents(folder: str | Path | None = None) -> Markdown:
    """Return a table of the notebooks in `folder`: title with link, and what each reads, writes and takes.

    The default is the current folder if it holds notebooks of the course, so that the table has their language, else
    notebooks/. Raises CourseError if there is no notebook, or an opening cell has no such table.
    """
    folder = Path(folder or (Path.cwd() if notebooks(Path.cwd()) else PROJECT / "notebooks"))
    paths = notebooks(folder)
    if not paths:
        raise CourseError(f"Expected notebooks like 00_play.ipynb in {folder}, found none: open one of them.")
    rows = [_opening(path) for path in paths]
    head = ["", *rows[0][1]]
    lines = [
        head,
        ["---"] * len(head),
        *([f"[{title}]({path.name})", *table.values()] for path, (title, table) in zip(paths, rows, strict=True)),
    ]
    return Markdown("\n".join(f"| {' | '.join(cells)} |" for cells in lines))


def _opening(path: Path) -> tuple[str, dict[str, str]]:
    """Return the title of a notebook, and the rows of the table in its first cell."""
    try:
        source = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    except (ValueError, LookupError, TypeError):
        source = ""  # damaged
    title = re.match(r"# (.+)", source)
    rows = re.findall(r"^\| *([^|]+?) *\| *(.+?) *\|$", source.partition("|---|")[2], re.MULTILINE)
    if not title or len(rows) < 3:
        raise CourseError(f"Expected a title and a table in the first cell of {path.name}: restore it, see git diff.")
    return title[1], dict(rows[:3])
