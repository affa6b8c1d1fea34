"""Setup of a notebook: data, captions, metrics."""

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


def test_own_data_is_found_and_named_in_captions(tmp_path, own_data):
    nb = notebook(tmp_path, own_data)
    assert [frame.group for frame in nb.frames("train")] == ["aachen"] * 3 + ["bochum"] * 2
    assert nb.data_name == "streets"
    assert nb.caption == "streets, profile smoke, seed 0"


def test_record_replaces_own_metrics_and_keeps_others(tmp_path, own_data):
    second, third = notebook(tmp_path, own_data), notebook(tmp_path, own_data, "03")
    second.record({"a": 1, "b": 2})
    third.record({"miou": 0.5})
    second.record({"a": 3})
    assert json.loads(second.path("metrics.json").read_text()) == {"02.a": 3, "03.miou": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.5", True, None])
def test_values_that_are_not_finite_numbers_are_rejected(tmp_path, own_data, value):
    nb = notebook(tmp_path, own_data)
    nb.record({"a": 1})
    with pytest.raises(ValueError, match="miou"):
        nb.record({"miou": value})
    assert json.loads(nb.path("metrics.json").read_text()) == {"02.a": 1}


def test_missing_input_names_the_notebook_that_writes_it(tmp_path, own_data):
    with pytest.raises(CourseError, match="02_train_hrnet_uhrnet.*make run PROFILE=smoke ONLY=02"):
        notebook(tmp_path, own_data, "03").require("02/x/model.pdparams", made_by="02")


def test_missing_data_names_the_settings(tmp_path):
    with pytest.raises(CourseError, match="(?s)No data at .*DATA_ROOT.*CITYSCAPES_DATASET"):
        Notebook("01", profile="smoke", data_root=str(tmp_path / "nowhere"), output_dir=str(tmp_path / "out"))


def test_unknown_layout_lists_the_folders_found(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(CourseError, match="images"):
        Notebook("01", profile="smoke", data_root=str(tmp_path), output_dir=str(tmp_path / "out"))


def test_unknown_profile_is_named(tmp_path):
    with pytest.raises(CourseError, match="'large'"):
        Notebook("01", profile="large")
