"""Conversion by Paddle Lite if it is installed, and the error messages if not."""

import pytest
from small_networks import tiny

from helpers.common.errors import CourseError
from helpers.deployment import export, lite


def test_without_python_3_10(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("LITE_PYTHON", str(tmp_path / "missing"))
    with pytest.raises(CourseError, match="found no Python 3.10: install one"):
        lite.find_python()


def test_without_paddle_lite(tmp_path):
    folder = export(tiny(seed=1), tmp_path / "tiny", network="tiny")
    with pytest.raises(CourseError, match=r"could not convert .*No module named 'paddlelite'"):
        lite.convert(folder, python="python3")
    assert not (folder / "lite").exists()
    labels = export(tiny(seed=1), tmp_path / "labels", network="tiny", graph="labels")
    with pytest.raises(CourseError, match="outputs labels"):
        lite.convert(labels, python="python3")


@pytest.mark.skipif(not (lite.ENVIRONMENT / ".ready").is_file(), reason="`make lite` has not created its environment")
def test_the_converted_file_computes_the_same_logits(tmp_path):
    folder = export(tiny(seed=1), tmp_path / "tiny", network="tiny")
    converted = lite.convert(folder)
    assert converted.difference < 1e-5
    assert [file.name for file in converted.files.values()] == ["model_arm.nb", "model_x86.nb"]
    assert all(file.stat().st_size > 1000 for file in converted.files.values())
