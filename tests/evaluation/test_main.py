"""The command line: scores, pictures and a submission, as a user calls it."""

import numpy as np
import pytest
from PIL import Image
from tiny_cityscapes import write_set

from helpers import models
from helpers.evaluation import Evaluation
from helpers.evaluation.__main__ import main


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set and the weights of a small network."""
    folder = tmp_path_factory.mktemp("place")
    write_set(folder / "set", size_hw=(64, 128))
    models.save_weights(models.build("fastscnn", seed=0), folder / "fastscnn" / models.WEIGHTS)
    return folder


def test_evaluate(place, capsys):
    weights = str(place / "fastscnn" / models.WEIGHTS)
    scores = str(place / "scores.npz")
    assert main(["evaluate", str(place / "set"), "--network", weights, "--flip", "--save", scores]) == 0
    said = capsys.readouterr().out
    saved = Evaluation.load(place / "scores.npz")
    assert f"mIoU {saved.scores.miou:.4f}" in said and "2 frames" in said and "vehicle" in said


def test_predict(place, tmp_path, capsys):
    Image.fromarray(np.zeros((48, 80, 3), np.uint8)).save(tmp_path / "mine.jpg")
    (tmp_path / "notes.png").write_text("no picture")
    network = ["--network", "fastscnn", "--weights", str(place / "fastscnn" / models.WEIGHTS)]
    files = [str(tmp_path / "mine.jpg"), str(tmp_path / "notes.png")]
    assert main(["predict", *files, *network, "--to", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert "notes.png is not an image" in said.err and "predicted: 1;" in said.out
    sizes = {path.name: Image.open(path).size for path in (tmp_path / "out").iterdir()}
    assert sizes == {f"mine_{kind}.png": (80, 48) for kind in ("trainIds", "color", "overlay")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "{weights}", "--pretrained", "cityscapes"], "is not the name of a network: drop `pretrained`"),
        (["--network", "{weights}", "--weights", "{weights}"], "is not the name of a network: drop `weights`"),
        (["--network", "fastscnn", "--weights", "{weights}", "--pretrained", "miniscapes"], "Got two kinds of weights"),
        (["--network", "fastscnn", "--pretrained", "imagenet"], "for its backbone only"),
    ],
)
def test_predict_refuses_weights_that_do_not_fit(place, tmp_path, capsys, options, message):
    Image.fromarray(np.zeros((48, 80, 3), np.uint8)).save(tmp_path / "mine.jpg")
    weights = place / "fastscnn" / models.WEIGHTS
    options = [option.format(weights=weights) for option in options]
    assert main(["predict", str(tmp_path / "mine.jpg"), *options, "--to", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("network", [["fastscnn", "--pretrained", "miniscapes"], ["fastscnn_pruned_73"]])
def test_predict_with_shipped_weights(tmp_path, capsys, network):
    Image.fromarray(np.zeros((48, 80, 3), np.uint8)).save(tmp_path / "mine.jpg")
    assert main(["predict", str(tmp_path / "mine.jpg"), "--network", *network, "--to", str(tmp_path / "out")]) == 0
    assert "predicted: 1;" in capsys.readouterr().out


def test_submit(place, tmp_path, capsys):
    weights = str(place / "fastscnn" / models.WEIGHTS)
    assert main(["submit", str(place / "set"), "--network", weights, "--to", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out.zip")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mainz_000000_000019_pred_labelIds.png"]


def test_a_mistake_is_one_sentence(place, capsys):
    assert main(["evaluate", str(place / "set"), "--network", "fastscnn"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("fastscnn is a design without weights") and said.count("\n") == 1
