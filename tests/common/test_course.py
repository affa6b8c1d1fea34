"""The files of the notebooks."""

from __future__ import annotations

import pytest

from helpers.common.course import NOTEBOOKS, notebooks
from helpers.common.files import PROJECT


def test_folder_of_the_course_has_all_notebooks():
    assert [path.stem for path in notebooks(PROJECT / "notebooks")] == list(NOTEBOOKS.values())


@pytest.mark.parametrize(
    "copy", ["01_explore_cityscapes-Copy1", "01_explore_cityscapes_old", "01_a", "01_zz", "changed1_01_a", "1_a"]
)
def test_copies_of_readers_are_left_out(copy, tmp_path):
    for name in ("02_own", "01_explore_cityscapes", copy):
        (tmp_path / f"{name}.ipynb").touch()
    (tmp_path / "01_explore_cityscapes.md").touch()
    assert [path.stem for path in notebooks(tmp_path)] == ["01_explore_cityscapes", "02_own"]
    assert notebooks(tmp_path / "none") == []
