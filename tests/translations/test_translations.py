"""Building notebooks in another language: texts, notes, and what the reader has changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nbformat
import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.translations import build, folder
from helpers.translations.__main__ import main
from helpers.translations.checking import slips
from helpers.translations.files import Translation, fingerprint, read_translations

TEXTS = {"first": "# One street\n\nRead [the next](02_b.ipynb).", "second": "## Two", "third": "Three"}
CHINESE = {"first": "# 一条街\n\n请读[下一篇](02_b.ipynb)。", "second": "## 二"}


def write(project: Path, texts: dict[str, str], code: str = "x = 1") -> None:
    cells = []
    for name, text in texts.items():
        cells.append(nbformat.v4.new_markdown_cell(text, id=name))
    cells.append(nbformat.v4.new_code_cell(code, id="code"))
    (project / "notebooks").mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "notebooks" / "01_a.ipynb")


def translate(project: Path, texts: dict[str, str], english: dict[str, str]) -> None:
    path = project / "notebooks" / "zh" / "01_a.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n\n".join(f"<!-- cell {id} {fingerprint(english[id])} -->\n{texts[id]}" for id in texts))


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with one notebook of three texts, of which two are translated, the second from an older text."""
    write(tmp_path, TEXTS)
    translate(tmp_path, CHINESE, {**TEXTS, "second": "## 2"})
    return tmp_path


def built(project: Path):
    return nbformat.read(project / "notebooks-zh" / "01_a.ipynb", as_version=4)


def test_texts_are_translated_or_english_with_a_note(project):
    assert build("zh", project) == project / "notebooks-zh"
    first, second, third, code = (cell.source for cell in built(project).cells)
    assert first.startswith(CHINESE["first"]) and "代码" in first
    assert "已更新" in second and second.endswith("\n\n## Two")
    assert "尚未翻译" in third and third.endswith("\n\nThree")
    assert code == "x = 1"


def test_english_notebooks_are_used_as_they_are(project):
    assert build("en", project) == folder("en", project) == project / "notebooks"
    assert not (project / "notebooks-zh").exists()


def test_other_languages_are_reported(project, capsys):
    with pytest.raises(CourseError, match="^Expected LANGUAGE to be en or zh, got 'fr': choose one of them.$"):
        build("fr", project)
    assert main(["build", "fr"], project) == 2
    assert capsys.readouterr().err.count("\n") == 1


def change(project: Path, source: str | None = None) -> None:
    """Execute the notebook, and change its code, as a reader does."""
    notebook = built(project)
    notebook.cells[-1].execution_count = 1
    notebook.cells[-1].source = source or notebook.cells[-1].source
    nbformat.write(notebook, project / "notebooks-zh" / "01_a.ipynb")


def test_what_the_reader_changed_is_never_overwritten(project, capsys):
    build("zh", project)
    change(project, "x = 2")
    build("zh", project)
    assert built(project).cells[-1].source == "x = 2"  # nothing new: the file is left alone
    assert capsys.readouterr().err == ""

    for number, text in enumerate(("Drei", "Vier"), 1):
        write(project, {**TEXTS, "third": text})
        build("zh", project)
        assert built(project).cells[-1].source == "x = 1" and text in built(project).cells[2].source
        aside = project / "notebooks-zh" / f"changed{number}_01_a.ipynb"
        assert nbformat.read(aside, as_version=4).cells[-1].source == "x = 2"
        assert f"is now {aside.name}." in capsys.readouterr().err
        change(project, "x = 2")


def test_a_notebook_that_was_only_run_keeps_its_outputs_until_there_is_a_new_text(project):
    build("zh", project)
    change(project)
    build("zh", project)
    assert built(project).cells[-1].execution_count == 1
    write(project, {**TEXTS, "third": "Drei"})
    build("zh", project)
    assert built(project).cells[-1].execution_count is None
    assert len(list((project / "notebooks-zh").iterdir())) == 1


def test_a_damaged_notebook_is_kept_as_well(project):
    build("zh", project)
    (project / "notebooks-zh" / "01_a.ipynb").write_text('{"cells": [')
    build("zh", project)
    assert (project / "notebooks-zh" / "changed1_01_a.ipynb").read_text() == '{"cells": ['
    assert built(project).cells[-1].source == "x = 1"


def test_draft_adds_missing_cells_in_english_and_stamp_accepts_translations(project, capsys):
    path = project / "notebooks" / "zh" / "01_a.md"
    assert main(["draft", "01"], project) == 0
    drafted = read_translations(path)
    assert list(drafted) == list(TEXTS)
    assert drafted["third"] == Translation("Three", "todo")
    assert main(["stamp", "01"], project) == 0
    stamped = read_translations(path)
    assert stamped["second"].english == fingerprint("## 2")  # stale: not stamped unless it is named
    assert stamped["third"].english == "todo"  # still in English
    assert "1 of 3 cells" in capsys.readouterr().out
    assert main(["stamp", "01", "second"], project) == 0
    assert read_translations(path)["second"].english == fingerprint("## Two")
    path.write_text(path.read_text().replace("todo -->\nThree", "todo -->\n三 3"))
    assert main(["stamp", "01"], project) == 1
    assert "third: numbers only in the translation: 3" in capsys.readouterr().out
    assert read_translations(path)["third"].english == "todo"  # not stamped with a slip
    assert main(["stamp", "01", "fourth"], project) == 2
    assert main(["status", "07"], project) == 2


@pytest.mark.parametrize("line", ["<!-- cell second 5d4 -->", "<!-- cell second -->", "<!-- cell second todo"])
def test_damaged_lines_of_cells_are_reported(line, project, capsys):
    path = project / "notebooks" / "zh" / "01_a.md"
    path.write_text(path.read_text().replace(f"<!-- cell second {fingerprint('## 2')} -->", line))
    assert main(["build", "zh"], project) == 2
    assert f"in {path}, got {line}: correct it." in capsys.readouterr().err


def test_english_has_no_translation_files(project):
    with pytest.raises(SystemExit):
        main(["draft", "01", "--language", "en"], project)
    assert not (project / "notebooks" / "en").exists()


@pytest.mark.parametrize(
    ("english", "translation", "slip"),
    [
        ("[a](x.md)", "[甲](y.md)", "links only in English: x.md; only in the translation: y.md"),
        ("$x$ and", "和 $y$", "formulas only in English: $x$; only in the translation: $y$"),
        ("run `a`", "运行 `b`", "code only in English: `a`; only in the translation: `b`"),
        ("3,475 frames", "3457 帧", "numbers only in English: 3475; only in the translation: 3457"),
        ("## A", "### 甲", "headings differ: English ['##'], translation ['###']"),
        ("- a\n- b", "- 甲", "list items differ: English ['', ''], translation ['']"),
        ("| a | b |", "| 甲 |", "columns of tables differ: English [3], translation [2]"),
        ("<details>", "详情", "tags differ: English ['<details'], translation []"),
        ("```\nx\n```", "```\ny\n``` 甲", "code blocks differ"),
        ("A", "A b", "no Chinese text"),
        ("**a:** b", "**甲：**乙", "asterisks that do not make text bold: **甲：**乙"),
        ("a, b", "甲, 乙", "punctuation of half width: 甲, 乙"),
        ("HRNet is", "HRNet是", "no space between Chinese and Latin letters, digits, code or formulas: HRNet是"),
    ],
)
def test_slips_are_found(english, translation, slip):
    found = slips({"c": english}, {"c": Translation(translation, fingerprint(english))})
    assert any(each.startswith(f"c: {slip}") for each in found), found


def test_a_good_translation_has_no_slips():
    english = "## Two\n\n- **Note:** 3,475 frames of `a`, $x$ [m](m.md).\n\n| | |\n|---|---|\n| a | b |"
    chinese = "## 二\n\n- **注意**：`a` 的 3475 帧，$x$，见[甲](m.md)。\n\n| | |\n|---|---|\n| 甲 | **乙** |"
    assert slips({"c": english}, {"c": Translation(chinese, fingerprint(english))}) == []


@pytest.mark.parametrize(("language", "shown"), [("zh", "zh"), ("", "en"), (None, "en")])
def test_make_takes_the_language_from_its_command_line_only(language, shown, monkeypatch):
    monkeypatch.setenv("LANGUAGE", "en_GB:en")  # as desktops set it
    settings = [] if language is None else [f"LANGUAGE={language}"]
    command = ["make", "--dry-run", "run", *settings]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert f'--language "{shown}"' in result.stdout
