"""The translation files notebooks/<language>/<notebook>.md.

A file holds the Markdown cells of one notebook. Each begins with a line that names the cell and the English text that
was translated, by the first digits of its SHA-256:

    <!-- cell cell-03 5d41402a -->

The line `<!-- cell cell-03 todo -->` marks a cell that is still in English.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import write_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENGLISH = "en"
LANGUAGES = ("zh",)
TODO = "todo"
HEADER = "<!-- The texts of {name}, cell by cell; CONTRIBUTING.md says how to translate a cell. -->"

_MARK = re.compile(r"^<!-- cell (\S+) ([0-9a-f]{8}|todo) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Translation:
    """The text of one cell in another language, and the fingerprint of the English text that it translates."""

    text: str
    english: str


NONE = Translation("", TODO)


def check_language(language: str) -> None:
    """Raise CourseError if the notebooks do not exist in `language`."""
    known = (ENGLISH, *LANGUAGES)
    if language not in known:
        raise CourseError(f"Expected LANGUAGE to be {' or '.join(known)}, got {language!r}: choose one of them.")


class Words(dict):
    """Short texts in another language by their key, or the key itself if there is none."""

    def __missing__(self, key: str) -> str:
        return key


def words(language: str, section: str) -> Words:
    """Return the section "notes" or "report" of <language>.toml; nothing for English."""
    if language == ENGLISH:
        return Words()
    path = Path(__file__).with_name(f"{language}.toml")
    return Words(tomllib.loads(path.read_text(encoding="utf-8"))[section])


def fingerprint(text: str) -> str:
    """Return the first 8 hexadecimal digits of the SHA-256 of `text`, without white space at its ends."""
    return hashlib.sha256(text.strip().encode("utf-8")).hexdigest()[:8]


def translation_path(notebook: Path, language: str) -> Path:
    """Return the path of the translation file of a notebook."""
    return notebook.parent / language / f"{notebook.stem}.md"


def read_translations(path: Path) -> dict[str, Translation]:
    """Return the translations in a file by cell id, in order; none if there is no such file.

    Raises CourseError if the line of a cell is damaged, or a cell occurs twice.
    """
    if not path.is_file():
        return {}
    content = path.read_text(encoding="utf-8")
    for line in re.findall(r"^<!-- cell\b.*", content, re.MULTILINE):
        if not _MARK.fullmatch(line):  # its text would join that of the cell above
            raise CourseError(f"Expected a line like <!-- cell cell-03 todo --> in {path}, got {line}: correct it.")
    _, *parts = _MARK.split(content)
    found: dict[str, Translation] = {}
    for cell, english, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if cell in found:
            raise CourseError(f"Expected each cell once in {path}, got {cell} twice: remove one of them.")
        found[cell] = Translation(text.strip(), english)
    return found


def write_translations(path: Path, translations: dict[str, Translation]) -> None:
    """Write a translation file."""
    cells = [f"<!-- cell {cell} {each.english} -->\n{each.text}" for cell, each in translations.items()]
    write_text(path, "\n\n".join([HEADER.format(name=f"{path.stem}.ipynb"), *cells]) + "\n")


def english_texts(notebook: Path) -> dict[str, str]:
    """Return the Markdown cells of a notebook by cell id."""
    import nbformat  # takes a second to import, which `make lab` in English need not wait for

    cells = nbformat.read(notebook, as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "markdown"}


def is_current(translation: Translation | None, english: str) -> bool:
    """Return whether a cell is translated, and from the present English text."""
    return translation is not None and translation.english == fingerprint(english)
