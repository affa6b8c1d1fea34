"""Build, draft, check and stamp the translations of the notebooks.

python -m helpers.translations stamp 01 cell-03
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.translations.building import build
from helpers.translations.checking import is_chinese, outdated, slips
from helpers.translations.files import (
    ENGLISH,
    LANGUAGES,
    NONE,
    TODO,
    Translation,
    check_language,
    english_texts,
    fingerprint,
    read_translations,
    translation_path,
    write_translations,
)


def main(argv: list[str] | None = None, project: Path = PROJECT) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m helpers.translations", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("build", "write the notebooks in a language and print their folder"),
        ("status", "count the cells that are translated"),
        ("draft", "add missing cells in English, to be translated, and remove those that no longer exist"),
        ("check", "list what differs between the two languages: links, formulas, code, numbers, headings"),
        ("stamp", "note that the translation of cells agrees with the English text, if it has no slips"),
    ):
        command = commands.add_parser(name, help=text)
        if name == "build":
            command.add_argument("language", nargs="?", default=ENGLISH)
            continue
        command.add_argument("notebook", nargs="?" if name == "status" else None, default="", help="such as 01")
        if name == "stamp":
            command.add_argument("cells", nargs="*", help="ids; default: new translations, not stale ones")
        command.add_argument("--language", default=LANGUAGES[0], choices=LANGUAGES)
    options = parser.parse_args(argv)
    return exit_code(lambda: _run(options, project))


def _run(options: argparse.Namespace, project: Path) -> int:
    check_language(options.language)
    if options.command == "build":
        print(build(options.language, project).relative_to(project))
        return 0
    notebooks = sorted((project / "notebooks").glob(f"{options.notebook or '[0-9][0-9]'}_*.ipynb"))
    if not notebooks:
        raise CourseError(f"Expected the number of a notebook, such as 01, got {options.notebook!r}: choose one.")
    failed: list[str] = []
    for notebook in notebooks:
        path = translation_path(notebook, options.language)
        english, translations = english_texts(notebook), read_translations(path)
        found: list[str] = []
        if options.command == "draft":
            translations = _drafted(english, translations)
        elif options.command in ("check", "stamp"):
            new = [cell for cell in english if _is_new(translations.get(cell, NONE))]
            stamped = _stamped(english, translations, getattr(options, "cells", []) or new)
            found = slips(english, stamped)
            wrong = {each.partition(":")[0] for each in found}
            if options.command == "stamp":
                translations = {cell: translations[cell] if cell in wrong else stamped[cell] for cell in translations}
        if options.command in ("draft", "stamp"):
            write_translations(path, translations)
        failed += found
        current = len(english) - len(outdated(english, translations))
        print("\n".join([*found, f"{path.name}: {current} of {len(english)} cells are translated"]))
    return 1 if failed else 0


def _is_new(translation: Translation) -> bool:
    return translation.english == TODO and is_chinese(translation.text)


def _drafted(english: dict[str, str], translations: dict[str, Translation]) -> dict[str, Translation]:
    kept = {cell: each for cell, each in translations.items() if each.english != TODO or _is_new(each)}
    return {cell: kept.get(cell, Translation(text, TODO)) for cell, text in english.items()}


def _stamped(english: dict[str, str], translations: dict[str, Translation], cells: list[str]) -> dict[str, Translation]:
    for cell in cells:
        if cell not in english or cell not in translations:
            raise CourseError(f"Expected cells of the notebook that are translated, got {cell}: run `draft` first.")
    return {
        cell: Translation(each.text, fingerprint(english[cell])) if cell in cells else each
        for cell, each in translations.items()
    }


if __name__ == "__main__":
    sys.exit(main())
