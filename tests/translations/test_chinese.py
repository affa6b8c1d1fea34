"""The Chinese texts of the course agree with the English ones."""

from __future__ import annotations

import pytest

from helpers.common.files import PROJECT
from helpers.translations.checking import outdated, slips
from helpers.translations.files import english_texts, read_translations, translation_path

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def texts(request):
    path = translation_path(request.param, "zh")
    return path, english_texts(request.param), read_translations(path)


def test_every_cell_is_translated_from_its_present_text(texts):
    path, english, translations = texts
    cells = outdated(english, translations)
    command = f"python -m helpers.translations stamp {path.name[:2]} {' '.join(cells)}"
    names = ", ".join(f"{cell} ({why})" for cell, why in cells.items())
    assert not cells, f"{names}: translate or review them in {path}, then run {command}"


def test_translations_share_what_needs_no_translation(texts):
    assert slips(*texts[1:]) == []


def test_cells_have_the_order_of_the_notebook(texts):
    assert list(texts[2]) == [cell for cell in texts[1] if cell in texts[2]]
