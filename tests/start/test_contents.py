"""The map of the course."""

from __future__ import annotations

import json

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.notebook import NOTEBOOKS
from helpers.start import contents


def write(path, first: str):
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": first.splitlines(True)}]}))


def test_every_notebook_has_a_row_with_its_own_words():
    rows = contents(PROJECT / "notebooks").data.splitlines()[2:]
    assert len(rows) == len(NOTEBOOKS)
    for name, row in zip(NOTEBOOKS.values(), rows, strict=True):
        first = "".join(json.loads((PROJECT / "notebooks" / f"{name}.ipynb").read_text())["cells"][0]["source"])
        title, reads, writes, takes = [cell.strip() for cell in row.strip("| ").split(" | ")]
        assert title == f"[{first.splitlines()[0].removeprefix('# ')}]({name}.ipynb)"
        for what, said in (("reads", reads), ("writes", writes), ("takes", takes)):
            assert f"| {what} | {said} |" in first


def test_language_is_that_of_the_current_folder(tmp_path, monkeypatch):
    write(
        tmp_path / "00_play.ipynb",
        "# 00 · 试一试\n\n| | |\n|---|---|\n| 读取 | 权重 |\n| 写入 | 无 |\n| 用时 | 15 秒 |\n\n好。",
    )
    monkeypatch.chdir(tmp_path)
    assert contents().data.splitlines()[0] == "|  | 读取 | 写入 | 用时 |"
    assert contents().data.splitlines()[2:] == ["| [00 · 试一试](00_play.ipynb) | 权重 | 无 | 15 秒 |"]


def test_an_opening_cell_without_its_table_is_named(tmp_path):
    write(tmp_path / "01_a.ipynb", "# A title\n\nand no table")
    for damaged in (None, '{"cells": [', '{"cells": []}', "{}", "[]"):
        if damaged is not None:
            (tmp_path / "01_a.ipynb").write_text(damaged)
        with pytest.raises(CourseError, match="first cell of 01_a.ipynb"):
            contents(tmp_path)


def test_a_folder_without_notebooks_is_named(tmp_path):
    with pytest.raises(CourseError, match=f"in {tmp_path}, found none"):
        contents(tmp_path)
