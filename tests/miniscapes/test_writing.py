"""MiniScapes on disk: layout, determinism, reuse, atomic writing, wrong arguments, and the command."""

import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_miniscapes import SMOKE, TINY, digest, read

from helpers.cityscapes import CITYSCAPES
from helpers.common.errors import CourseError
from helpers.datasets import open_dataset
from helpers.datasets.dataset import DESCRIPTION
from helpers.miniscapes import __main__ as command
from helpers.miniscapes import generate, write
from helpers.miniscapes.cities import SPLITS, plan


def test_folders_and_names_are_the_official_ones(smoke):
    frames = {}
    for split, count in (("train", 12), ("val", 6), ("test", 2)):
        images = sorted((smoke / "leftImg8bit" / split).rglob("*.png"))
        assert len(images) == count
        for image in images:
            name = re.fullmatch(r"([a-z]+)_\d{6}_\d{6}_leftImg8bit\.png", image.name)
            assert name and name[1] == image.parent.name
            frames[image.name.removesuffix("_leftImg8bit.png")] = split
            assert read(image).shape == (128, 256, 3)
    kinds = ["color.png", "instanceIds.png", "labelIds.png", "labelTrainIds.png", "polygons.json"]
    expected = {f"gtFine/{s}/{f.split('_')[0]}/{f}_gtFine_{k}" for f, s in frames.items() if s != "test" for k in kinds}
    assert {str(p.relative_to(smoke)) for p in (smoke / "gtFine").rglob("*") if p.is_file()} == expected


def test_cities_are_real_and_splits_share_none(smoke):
    cities = {split: {p.name for p in (smoke / "leftImg8bit" / split).iterdir()} for split in ("train", "val", "test")}
    assert len(cities["train"]) >= 3 and cities["val"] == {"frankfurt", "lindau", "munster"}
    assert not cities["train"] & cities["val"] and not cities["train"] & cities["test"]
    assert [len(SPLITS[s]) for s in ("train", "val", "test")] == [18, 3, 6]


def test_list_files_follow_paddleseg_format(smoke):
    for name, count in (("train", 12), ("val", 6), ("trainval", 18)):
        rows = [line.split(" ") for line in (smoke / f"{name}.list").read_text().splitlines()]
        assert len(rows) == count
        for image, label in rows:
            assert (smoke / image).is_file() and (smoke / label).is_file()
            assert Path(image).name.removesuffix("_leftImg8bit.png") == Path(label).name.removesuffix(
                "_gtFine_labelTrainIds.png"
            )
    for name in ("test", "infer"):
        rows = (smoke / f"{name}.list").read_text().splitlines()
        assert len(rows) == 2 and all((smoke / row).is_file() for row in rows)


def test_marker_states_specification_and_version(smoke):
    spec = json.loads((smoke / "miniscapes.json").read_text())
    assert spec == {
        "kind": "MiniScapes",
        "version": write.VERSION,
        "train": 12,
        "val": 6,
        "test": 2,
        "size_hw": [128, 256],
        "seed": 0,
    }


def test_same_bytes_for_any_number_of_processes(smoke, tmp_path):
    again = generate(tmp_path / "again", **SMOKE, workers=2)
    assert digest(again) == digest(smoke)


def test_weathers_restrict_every_city_and_are_part_of_the_specification(tmp_path):
    frames = plan("train", 24, 0, ("night", "rain"))
    assert {(f.city.name, f.weather) for f in frames} == {
        (f.city.name, weather) for f in plan("train", 24, 0) for weather in ("night", "rain")
    }
    assert [f.wanted for f in frames] == [f.wanted for f in plan("train", 24, 0)]
    night = generate(tmp_path / "night", **TINY, workers=1, weathers=("night",))
    usual = generate(tmp_path / "usual", **TINY, workers=1)
    assert json.loads((night / "miniscapes.json").read_text())["weathers"] == ["night"]
    assert generate(night, **TINY, weathers=("night",)) == night

    def brightness(root: Path) -> float:
        return np.mean([read(path).mean() for path in sorted(root.glob("leftImg8bit/train/*/*.png"))])

    assert brightness(night) < 0.7 * brightness(usual)
    for root, weathers in ((night, ()), (usual, ("night",)), (night, ("rain",))):
        with pytest.raises(CourseError, match=r"another MiniScapes data set \(weathers .* instead of .*\): delete"):
            generate(root, **TINY, weathers=weathers)


def test_another_seed_yields_other_streets(tmp_path):
    one, other = (digest(generate(tmp_path / str(seed), **TINY, seed=seed, workers=1)) for seed in (0, 1))
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one if name.endswith(".png") or name == "miniscapes.json")


def test_existing_data_set_is_reused_and_never_overwritten(tmp_path, monkeypatch):
    root = generate(tmp_path / "set", **TINY, workers=1)
    before = digest(root)
    monkeypatch.setattr(write, "write_frame", lambda job: pytest.fail("an existing data set was generated again"))
    assert generate(root, **TINY) == root
    with pytest.raises(CourseError, match=r"another MiniScapes data set \(seed 0 instead of 5\): delete"):
        generate(root, **TINY, seed=5)
    monkeypatch.setattr(write, "VERSION", write.VERSION + 1)
    with pytest.raises(CourseError, match="version"):
        generate(root, **TINY)
    (root / "miniscapes.json").write_text("{")
    with pytest.raises(CourseError, match="not valid JSON"):
        generate(root, **TINY)
    (root / "miniscapes.json").unlink()
    with pytest.raises(CourseError, match="not a MiniScapes data set"):
        generate(root, **TINY)
    assert digest(root).items() <= before.items() and len(digest(root)) == len(before) - 1


def test_classes_are_described_also_for_a_set_of_an_earlier_version(tmp_path, monkeypatch):
    root = generate(tmp_path / "set", **TINY, workers=1)
    described = open_dataset(root)
    assert described.name == "MiniScapes" and described.classes == CITYSCAPES
    (root / DESCRIPTION).unlink()
    assert open_dataset(generate(root, **TINY)) == described
    (root / DESCRIPTION).unlink()

    def read_only(dataset):
        raise CourseError("read-only")

    monkeypatch.setattr(type(described), "save", read_only)
    assert open_dataset(generate(root, **TINY)).classes == CITYSCAPES


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    assert (generate(tmp_path / "empty", **TINY, workers=1) / "train.list").is_file()


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_interruption_leaves_no_files(tmp_path, monkeypatch, failure):
    done = []

    def stop(job, real=write.write_frame):
        if len(done) == 2:
            raise failure
        done.append(real(job))
        return done[-1]

    monkeypatch.setattr(write, "write_frame", stop)
    expected = CourseError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        generate(tmp_path / "set", **TINY, workers=1)
    assert len(done) == 2 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"train": 0},
        {"val": -1},
        {"test": 2.5},
        {"train": True},
        {"train": 10**9},
        {"size_hw": (100, 200)},
        {"size_hw": (64, 96)},
        {"size_hw": (256, 128)},
        {"size_hw": 256},
        {"size_hw": (256,)},
        {"size_hw": ("a", "b")},
        {"size_hw": (64, 512)},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": "0"},
        {"workers": 0},
        {"workers": 1.5},
        {"weathers": ("snow",)},
        {"weathers": "night"},
    ],
)
def test_invalid_arguments_raise_one_sentence(tmp_path, wrong):
    with pytest.raises(CourseError) as error:
        generate(tmp_path / "set", **{**TINY, **wrong})
    text = str(error.value)
    assert text.startswith("MiniScapes needs") and text.endswith(".") and "\n" not in text
    assert not (tmp_path / "set").exists()


def test_command_line(tmp_path, capsys):
    arguments = ["--to", str(tmp_path / "set"), "--train", "2", "--val", "1", "--test", "1", "--size", "64", "128"]
    assert command.main([*arguments, "--workers", "1"]) == 0
    assert (tmp_path / "set" / "miniscapes.json").is_file()
    capsys.readouterr()
    assert command.main([*arguments, "--seed", "3"]) == 2
    assert "delete that folder" in capsys.readouterr().err


def test_importing_it_does_not_import_paddle():
    code = "import sys, helpers.miniscapes, helpers.miniscapes.colour_baseline; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
