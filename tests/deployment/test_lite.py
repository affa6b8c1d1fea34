"""Paddle Lite, where its environment is, and what is said where it is not."""

import pytest
from deployed import Tiny

from helpers.common.errors import CourseError
from helpers.deployment import export, lite


def test_no_python_that_it_runs_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("LITE_PYTHON", str(tmp_path / "missing"))
    with pytest.raises(CourseError, match="there is no Python 3.10 here: install one"):
        lite.find_python()


def test_a_python_without_paddle_lite(tmp_path):
    folder = export(Tiny(seed=1), tmp_path / "tiny", network="tiny")
    with pytest.raises(CourseError, match=r"could not convert .*No module named 'paddlelite'"):
        lite.convert(folder, python="python3")
    assert not (folder / "lite").exists()
    labels = export(Tiny(seed=1), tmp_path / "labels", network="tiny", graph="labels")
    with pytest.raises(CourseError, match="gives labels"):
        lite.convert(labels, python="python3")


@pytest.mark.skipif(not (lite.ENVIRONMENT / ".ready").is_file(), reason="`make lite` has not made its environment")
def test_what_is_converted_gives_the_same_logits(tmp_path):
    folder = export(Tiny(seed=1), tmp_path / "tiny", network="tiny")
    converted = lite.convert(folder)
    assert converted.difference < 1e-5
    assert [file.name for file in converted.files.values()] == ["model_arm.nb", "model_x86.nb"]
    assert all(file.stat().st_size > 1000 for file in converted.files.values())
