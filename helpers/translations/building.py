"""Build the notebooks of another language in a folder of their own, next to notebooks/."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from helpers.common import course
from helpers.common.files import PROJECT, write_text
from helpers.translations.files import (
    ENGLISH,
    TODO,
    Translation,
    check_language,
    fingerprint,
    is_current,
    read_translations,
    translation_path,
    words,
)

WORD_JOINER = "\u2060"  # without it, JupyterLab breaks a name of two characters in the first column of a table
_SHORT_NAME = re.compile(r"(?<=^\| )[\u4e00-\u9fff]{2,4}(?= \|)", re.MULTILINE)


def folder(language: str, project: Path = PROJECT) -> Path:
    """Return the folder of the notebooks in `language`. Raise CourseError if they do not exist in it.

    It lies next to notebooks/, so links to other notebooks and to ../docs lead to the same places.
    """
    check_language(language)
    return project / ("notebooks" if language == ENGLISH else f"notebooks-{language}")


def build(language: str, project: Path = PROJECT) -> Path:
    """Write the notebooks in `language` to `folder(language)` and return it. English ones are used as they are.

    A notebook without a new text is left alone, outputs included. One that the reader has changed is never overwritten:
    it is renamed when a new text arrives, and a sentence on standard error says so.
    """
    target = folder(language, project)
    if language != ENGLISH:
        for source in course.notebooks(project / "notebooks"):
            _update(target / source.name, translated(source, language))
    return target


def translated(source: Path, language: str):
    """Return the notebook `source` with its texts in `language`; a text without a current translation is English."""
    import nbformat

    notes = words(language, "notes")
    translations = read_translations(translation_path(source, language))
    notebook = nbformat.read(source, as_version=4)
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in texts:
        cell.source = _text(cell.source, translations.get(cell.id), notes)
    if texts:
        texts[0].source += f"\n\n{notes['first']}"
    notebook.metadata["course"] = {"language": language, "built": _content(notebook)}
    return notebook


def _text(english: str, translation: Translation | None, notes: dict[str, str]) -> str:
    if is_current(translation, english):
        return _SHORT_NAME.sub(lambda match: WORD_JOINER.join(match[0]), translation.text)
    stale = translation is not None and translation.english != TODO
    return f"{notes['stale' if stale else 'missing']}\n\n{english}"


def _content(notebook) -> str:
    """Return a fingerprint of what a reader can edit, without outputs."""
    cells = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]
    return fingerprint(json.dumps(cells))


def _update(path: Path, notebook) -> None:
    import nbformat

    if path.is_file():
        try:
            old = nbformat.read(path, as_version=4)
            built, now = old.metadata.get("course", {}).get("built"), _content(old)
        except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, ValueError):
            built, now = None, ""  # damaged
        if built == notebook.metadata["course"]["built"]:
            return
        if built != now:
            aside = _free_name(path)
            path.rename(aside)
            print(f"{path} has a new text; the one that you changed is now {aside.name}.", file=sys.stderr)
    write_text(path, nbformat.writes(notebook) + "\n")


def _free_name(path: Path) -> Path:
    """Return a path that does not exist, and that `make run` does not take for a notebook of the course."""
    number = 1
    while (aside := path.with_name(f"changed{number}_{path.name}")).exists():
        number += 1
    return aside
