"""The command line: scores, pictures and a submission, as a user calls it."""

import fcntl
from dataclasses import replace

import numpy as np
import pytest
from other_classes import THREE, write_three
from PIL import Image
from tiny_cityscapes import write_set

from helpers import deployment, models
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
    assert not (place / ".scores.npz.writing").exists()
    assert f"mIoU {saved.scores.miou:.4f}" in said and "2 frames" in said and "vehicle" in said


def test_predict(place, tmp_path, capsys):
    Image.fromarray(np.zeros((48, 80, 3), np.uint8)).save(tmp_path / "mine.jpg")
    (tmp_path / "notes.png").write_text("no picture")
    network = ["--network", "fastscnn", "--weights", str(place / "fastscnn" / models.WEIGHTS)]
    network += ["--data", str(place / "set")]
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


@pytest.fixture(scope="module")
def leaves(tmp_path_factory):
    """A data set of three classes, the weights of a network for it, and its export."""
    folder = tmp_path_factory.mktemp("leaves")
    write_three(folder / "set")
    net = models.build("fastscnn", 3, seed=0)
    models.save_weights(net, folder / "fastscnn" / models.WEIGHTS)
    deployment.export(net, folder / "exported", network="fastscnn", classes=THREE)
    return folder


def test_evaluate_other_classes_and_sizes(leaves, capsys):
    tables = []
    for network in ("fastscnn", "exported"):
        arguments = ["evaluate", str(leaves / "set"), "--network", str(leaves / network)]
        assert main(arguments) == 0
        said = capsys.readouterr().out
        assert "leaf spot" in said and "3 frames" in said and "categor" not in said
        tables.append([line for line in said.splitlines() if line.startswith(THREE.names)])
    assert tables[0] == tables[1] and len(tables[0]) == 3
    views = ["--scales", "0.5", "1.3", "--flip", "--window", "64", "64"]  # windows larger than some frames
    assert main(["evaluate", str(leaves / "set"), "--network", str(leaves / "fastscnn"), *views]) == 0


def test_a_network_for_other_classes(leaves, place, capsys):
    assert main(["evaluate", str(leaves / "set"), "--network", str(place / "fastscnn")]) == 2
    assert capsys.readouterr().err.startswith("Expected a network for the 3 classes of Leaves, got one for 19: train")
    other = replace(THREE, names=("soil", "spot", "leaf"))
    models.save_weights(models.build("fastscnn", 3), leaves / "other" / "fastscnn" / models.WEIGHTS, other)
    assert main(["evaluate", str(leaves / "set"), "--network", str(leaves / "other" / "fastscnn")]) == 2
    assert "classes of Leaves, got one whose class 1 is spot, not leaf spot: train it" in capsys.readouterr().err
    assert main(["evaluate", str(place / "set"), "--network", str(leaves / "fastscnn"), "--workers", "2"]) == 2
    assert "for the 19 classes of" in capsys.readouterr().err


def test_predict_takes_colours_from_the_export_or_the_data(leaves, tmp_path, capsys):
    image = str(leaves / "set" / "images" / "val" / "leaf1.png")
    weights = str(leaves / "fastscnn")
    for number, network in enumerate([[str(leaves / "exported")], [weights, "--data", str(leaves / "set")]]):
        assert main(["predict", image, "--network", *network, "--to", str(tmp_path / f"{number}")]) == 0
        ids, colours = (
            np.asarray(Image.open(tmp_path / f"{number}" / f"leaf1_{kind}.png")) for kind in ("trainIds", "color")
        )
        assert ids.shape == (45, 61)
        np.testing.assert_array_equal(colours, THREE.colorize(ids))
    capsys.readouterr()
    assert main(["predict", image, "--network", weights, "--to", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("The names and colours of the network's classes are not known: pass")
    assert (
        main(["predict", image, "--network", "fastscnn_pruned_73", "--data", str(leaves / "set"), "--to", "out"]) == 2
    )
    assert "Expected a network for 3 classes, got one for 19" in capsys.readouterr().err


def test_submit_takes_cityscapes_only(leaves, capsys):
    arguments = ["--split", "val", "--network", str(leaves / "fastscnn"), "--to", str(leaves / "out")]
    assert main(["submit", str(leaves / "set"), *arguments]) == 2
    assert capsys.readouterr().err.startswith("Expected frames with the 19 classes of Cityscapes, which its benchmark")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--workers", "-1"], "argument --workers: expected a whole number from 1, got '-1'"),
        (["--scales", "nan"], "argument --scales: expected a positive number such as 0.75, got 'nan'"),
        (["--scales", "1", "-0.5"], "argument --scales: expected a positive number"),
        (["--window", "0", "64"], "argument --window: expected a whole number from 1, got '0'"),
    ],
)
def test_options_are_checked_by_the_parser(option, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "nowhere", "--network", "fastscnn", *option])
    assert stopped.value.code == 2 and sentence in capsys.readouterr().err


def test_results_are_checked_before_the_work(leaves, place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("helpers.evaluation.__main__.evaluate", lambda *args, **kwargs: pytest.fail("evaluated"))
    monkeypatch.setattr("helpers.evaluation.submission.open_network", lambda *args, **kwargs: pytest.fail("opened"))
    network = ["--network", str(place / "fastscnn")]
    assert main(["evaluate", str(place / "set"), *network, "--save", str(tmp_path / "x")]) == 2
    assert "a file name that ends in .npz, got" in capsys.readouterr().err
    (tmp_path / ".x.npz.writing").mkdir()
    with (tmp_path / ".x.npz.writing" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["evaluate", str(place / "set"), *network, "--save", str(tmp_path / "x.npz")]) == 2
    assert (
        capsys.readouterr().err == f"Another run writes to {tmp_path / 'x.npz'}: wait for it or choose another path.\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["submit", str(place / "set"), *network, "--to", "."]) == 2
    assert capsys.readouterr().err.startswith("Expected a folder with a name, got .: choose one such as")


def test_submit(place, tmp_path, capsys):
    weights = str(place / "fastscnn" / models.WEIGHTS)
    assert main(["submit", str(place / "set"), "--network", weights, "--to", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out.zip")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mainz_000000_000019_pred_labelIds.png"]


def test_a_mistake_is_one_sentence(place, capsys):
    assert main(["evaluate", str(place / "set"), "--network", "fastscnn"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("fastscnn is a design without weights") and said.count("\n") == 1
