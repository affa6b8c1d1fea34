"""What every notebook does first and last."""

import json

import pytest
from tiny_cityscapes import write_set

from helpers.common.errors import CourseError
from helpers.notebook import Notebook


@pytest.fixture
def own_data(tmp_path):
    return write_set(tmp_path / "streets")


def notebook(tmp_path, own_data, number="02"):
    return Notebook(number, profile="smoke", data_root=str(own_data), output_dir=str(tmp_path / "out"))


def test_own_data_and_captions(tmp_path, own_data):
    nb = notebook(tmp_path, own_data)
    assert [frame.city for frame in nb.frames("train")] == ["aachen"] * 3 + ["bochum"] * 2
    assert nb.data_name == "streets"
    assert nb.caption == "streets, profile smoke, seed 0"


def test_record_replaces_its_own_and_keeps_the_others(tmp_path, own_data):
    second, third = notebook(tmp_path, own_data), notebook(tmp_path, own_data, "03")
    second.record({"a": 1, "b": 2})
    third.record({"miou": 0.5})
    second.record({"a": 3})
    assert json.loads(second.path("metrics.json").read_text()) == {"02.a": 3, "03.miou": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.5", True, None])
def test_only_numbers_are_recorded(tmp_path, own_data, value):
    nb = notebook(tmp_path, own_data)
    nb.record({"a": 1})
    with pytest.raises(ValueError, match="miou"):
        nb.record({"miou": value})
    assert json.loads(nb.path("metrics.json").read_text()) == {"02.a": 1}


def test_missing_input_names_the_notebook_to_run(tmp_path, own_data):
    with pytest.raises(CourseError, match="02_train_hrnet_uhrnet.*make run PROFILE=smoke ONLY=02"):
        notebook(tmp_path, own_data, "03").require("02/x/model.pdparams", made_by="02")


def test_no_data_names_the_ways_to_give_it(tmp_path):
    with pytest.raises(CourseError, match="(?s)No data at .*DATA_ROOT.*CITYSCAPES_DATASET"):
        Notebook("01", profile="smoke", data_root=str(tmp_path / "nowhere"), output_dir=str(tmp_path / "out"))


def test_foreign_layout_is_told_what_is_there(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(CourseError, match="images"):
        Notebook("01", profile="smoke", data_root=str(tmp_path), output_dir=str(tmp_path / "out"))


def test_unknown_profile(tmp_path):
    with pytest.raises(CourseError, match="'large'"):
        Notebook("01", profile="large")
