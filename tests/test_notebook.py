"""Setup of a notebook: data, captions, metrics."""

import json
from dataclasses import replace

import pytest
from tiny_cityscapes import write_set

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, write_json
from helpers.datasets import Classes, open_dataset
from helpers.notebook import Notebook, output_folder
from helpers.profiles import load_profile


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


@pytest.mark.parametrize("damaged", ['{"03.miou": 0.', "", "[1]", "\x00"])
def test_damaged_metrics_are_kept_aside(tmp_path, own_data, damaged):
    nb = notebook(tmp_path, own_data)
    for number in (1, 2):
        nb.path("metrics.json").write_text(damaged)
        with pytest.warns(UserWarning, match=rf"metrics\.json was damaged and is now metrics\.damaged{number}\.json"):
            nb.record({"a": number})
        assert json.loads(nb.path("metrics.json").read_text()) == {"02.a": number}
        assert nb.path(f"metrics.damaged{number}.json").read_text() == damaged


def test_results_of_other_data_have_a_folder_of_their_own(own_data):
    outputs, streets = PROJECT / "outputs", open_dataset(own_data)
    assert output_folder(load_profile("mini"), None) == outputs / "mini"
    assert output_folder(load_profile("mini"), streets) == outputs / "mini-streets"
    assert output_folder(load_profile("cityscapes"), None) == outputs / "cityscapes"
    assert output_folder(load_profile("cityscapes"), streets) == outputs / "cityscapes"  # its layout, in any folder
    streets.save()
    assert output_folder(load_profile("cityscapes"), streets) == outputs / "cityscapes-streets"


def test_notebook_and_headless_run_choose_the_same_folder(own_data, tmp_path, monkeypatch):
    from helpers import notebook as module

    monkeypatch.setattr(module, "PROJECT", tmp_path)
    for name in ("smoke", "cityscapes"):
        nb = Notebook("02", profile=name, data_root=str(own_data))
        assert nb.output_dir == output_folder(load_profile(name), open_dataset(own_data)) and nb.output_dir.is_dir()
        assert nb.output_dir.parent == tmp_path / "outputs"


def test_cityscapes_is_named_for_its_own_profile_only(own_data, tmp_path):
    def name(profile):
        return Notebook("02", profile=profile, data_root=str(own_data), output_dir=str(tmp_path / "out")).data_name

    assert (name("cityscapes"), name("mini")) == ("Cityscapes", "streets")
    replace(open_dataset(own_data), name="My town").save()
    assert (name("cityscapes"), name("mini")) == ("My town", "My town")


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


def test_data_of_another_kind_says_what_it_lacks(tmp_path, own_data, capsys):
    nb = notebook(tmp_path, own_data)
    assert nb.has("polygons") and nb.has("the classes of Cityscapes") and not capsys.readouterr().out
    for path in own_data.rglob("*_polygons.json"):
        path.unlink()
    assert not nb.has("polygons")
    assert capsys.readouterr().out == "streets has no polygons, unlike Cityscapes: there is nothing to show here.\n"
    two = Classes(("cell", "rest"), ((1, 1, 1), (2, 2, 2)))
    nb.use(replace(nb.dataset, classes=two, annotations=(), labels=nb.dataset.labels))
    assert not nb.has("the classes of Cityscapes") and not nb.has("instanceIds")
    assert "streets has other classes than Cityscapes" in capsys.readouterr().out


def test_recorded_difference_is_that_of_the_reference(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.notebook.PROJECT", tmp_path)
    entries = {
        "06.miou.one": {"by_hardware": {"slow": {"0": 0.5, "10": 0.4, "2": 0.7}, "fast": {"0": 0.9}}},
        "06.miou.two": {"by_hardware": {"slow": {"0": 0.6, "10": 0.2}, "fast": {"0": 0.8}}},
        "06.gain": {"by_hardware": {"slow": {"0": 0.5, "2": -0.25}}},
        "06.counted": {"value": 3},
    }
    write_json(tmp_path / "outputs" / "mini" / "reference.json", entries)
    nb = Notebook("06", output_dir=str(tmp_path / "out"))
    assert nb.recorded_difference("miou.one", "miou.two") == (
        "-0.100, +0.200 (seeds 0, 10 on slow); mean +0.050, above zero in 1 of 2"
    )
    assert nb.recorded_difference("gain") == "+0.500, -0.250 (seeds 0, 2 on slow); mean +0.125, above zero in 1 of 2"
    nothing = "no runs of several seeds are recorded for this data and profile mini"
    assert nb.recorded_difference("counted") == nb.recorded_difference("unknown") == nothing


def test_differences_of_other_data_are_not_recorded(tmp_path, own_data):
    nb = Notebook("06", data_root=str(own_data), output_dir=str(tmp_path))
    assert nb.recorded_difference("split.optimism").startswith("no runs")
    assert Notebook("06", output_dir=str(tmp_path)).recorded_difference("split.optimism").startswith("+")
