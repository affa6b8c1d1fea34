"""`python -m helpers.training`: values that it refuses, and a damaged frame."""

import sys

import pytest
from tiny_cityscapes import write_set

from helpers.training import __main__ as command


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["helpers.training", *arguments])
    return command.main()


@pytest.mark.parametrize(("option", "value"), [("--workers", "-1"), ("--seed", "-2"), ("--workers", "two")])
def test_refused_before_anything_is_loaded(monkeypatch, capsys, option, value):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, "--model", "fastscnn", option, value)
    assert caught.value.code == 2
    assert option in capsys.readouterr().err


def test_damaged_frame_is_named(monkeypatch, capsys, tmp_path):
    root = write_set(tmp_path / "set", size_hw=(64, 128))
    image = next((root / "leftImg8bit" / "train").rglob("*.png"))
    image.write_bytes(image.read_bytes()[:-40])
    options = ["--data-root", str(root), "--output-dir", str(tmp_path / "out"), "--device", "cpu"]
    assert run(monkeypatch, "--profile", "smoke", "--model", "fastscnn", *options) == 2
    assert str(image) in capsys.readouterr().err
