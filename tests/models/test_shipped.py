"""The weights in weights/: complete, checked, and as good as their cards say."""

import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from helpers import models
from helpers.common.errors import CourseError
from helpers.models import shipped
from helpers.models.__main__ import main
from helpers.models.cards import Card

# mIoU of the weights as trained, before convolutions were rounded to int8.
TRAINED = {
    "hrnet_w18_small_v2": 0.8319,
    "uhrnet_w18_small": 0.8164,
    "fastscnn": 0.7337,
    "fastscnn_pruned_51": 0.7546,
    "fastscnn_pruned_73": 0.7236,
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of the smallest weights, in place of weights/."""
    copy = tmp_path / "weights"
    copy.mkdir()
    for path in shipped.FOLDER.glob("fastscnn_pruned_73.*"):
        shutil.copy(path, copy)
    shutil.copy(shipped.FOLDER / shipped.SUMS, copy)
    return copy


def test_all_five_are_complete_and_small():
    assert sorted(models.cards()) == sorted(TRAINED)
    assert sum(path.stat().st_size for path in shipped.FOLDER.iterdir()) < 22e6
    sums = (shipped.FOLDER / shipped.SUMS).read_text()
    for name, card in models.cards().items():
        assert f"  {name}.safetensors\n" in sums and (not card.pruned or f"  {name}.plan.json\n" in sums)
        cost = models.cost(models.load_shipped(name), (256, 512))
        assert cost.params == card.params
        assert 16 * cost.gmacs == pytest.approx(card.gmacs, rel=1e-3)  # at 1024 x 2048


@pytest.mark.timeout(300)
def test_scores_are_those_of_training():
    """On the 24 validation frames of profile mini, which are generated once and kept in data/."""
    from helpers.evaluation import evaluate
    from helpers.notebook import Notebook

    frames = Notebook("03", profile="mini").frames("val")
    for name, card in models.cards().items():
        scores = evaluate(models.load_shipped(name), frames, desc=name).scores
        assert scores.miou == pytest.approx(TRAINED[name], abs=0.002), name
        # Other processors round differently.
        found = [scores.miou, scores.acc, scores.kappa, *scores.class_iou]
        noted = [card.scores.miou, card.scores.acc, card.scores.kappa, *card.scores.class_iou]
        np.testing.assert_allclose(found, noted, atol=0.002, err_msg=name)


def test_what_a_network_does_not_need_may_lack_and_nothing_else():
    for name in ("fastscnn", "uhrnet_w18_small"):
        lacking = set(models.build(name).state_dict()) - set(shipped.read(name).state)
        assert {each.partition(".")[0] for each in lacking} == {"auxlayer" if name == "fastscnn" else "backbone"}
        assert all(each.startswith(("auxlayer.", "backbone.last_layer.")) for each in lacking)
    assert set(models.build("hrnet_w18_small_v2").state_dict()) == set(shipped.read("hrnet_w18_small_v2").state)


@pytest.mark.parametrize("build", [models.build, lambda name, **how: models.load_shipped(name, how["num_classes"])])
def test_other_classes_keep_all_but_the_classifier(build):
    net = build("fastscnn", num_classes=5, pretrained="miniscapes")
    state, own = shipped.read("fastscnn").state, net.state_dict()
    kept = [name for name in state if np.array_equal(own[name].numpy(), state[name])]
    assert sorted(set(state) - set(kept)) == ["classifier.conv.bias", "classifier.conv.weight"]
    assert own["classifier.conv.weight"].shape[0] == net.num_classes == 5 and net.class_names == ()


def test_a_plan_fits_any_number_of_classes():
    net = models.load_shipped("fastscnn_pruned_73", num_classes=3)
    assert net(paddle.zeros([1, 3, 64, 64]))[0].shape == [1, 3, 64, 64]
    full = models.load_shipped("fastscnn_pruned_73")
    assert (full.num_classes, full.class_names[:2]) == (19, ("road", "sidewalk"))
    own, other = net.state_dict(), full.state_dict()
    differing = {name for name in own if own[name].shape != other[name].shape}
    assert {name.partition(".")[0] for name in differing} == {"classifier", "auxlayer"}


def test_a_network_without_shipped_weights():
    with pytest.raises(CourseError, match="no miniscapes weights for U-Net, only for uhrnet_w18_small"):
        models.build("unet", pretrained="miniscapes")
    with pytest.raises(CourseError, match="no weights 'unet' in .*: choose one of uhrnet_w18_small"):
        models.load_shipped("unet")


# --- the files ---


def test_packing_and_reading(tmp_path):
    card = models.cards()["fastscnn"]
    rng = np.random.default_rng(0)
    state = {
        "conv.weight": rng.normal(size=(4, 3, 3, 3)) * np.array([1e-3, 1, 50, 0])[:, None, None, None],
        "conv.bias": rng.normal(size=4),
    }
    shipped.pack(card, state, tmp_path)
    saved = shipped.read("fastscnn", tmp_path)
    again = saved.state
    assert (saved.num_classes, saved.class_names) == (19, card.classes)
    assert again.keys() == state.keys() and all(array.dtype == np.float32 for array in again.values())
    largest = np.abs(state["conv.weight"]).max(axis=(1, 2, 3), keepdims=True)
    assert (np.abs(again["conv.weight"] - state["conv.weight"]) <= largest / 127 / 2 * 1.001).all()
    np.testing.assert_array_equal(again["conv.bias"], state["conv.bias"].astype(np.float32))
    assert shipped.cards(tmp_path) == {"fastscnn": card}
    first = shipped.weights_path("fastscnn", tmp_path).read_bytes()
    shipped.pack(card, state, tmp_path)
    assert shipped.weights_path("fastscnn", tmp_path).read_bytes() == first


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def point(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 231264\n")


@pytest.mark.parametrize("name", ["fastscnn_pruned_73.safetensors", "fastscnn_pruned_73.plan.json"])
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (cut, r"is damaged \(\d+ bytes, SHA-256 .*git checkout -- weights"),
        (change, r"is damaged \(\d+ bytes, SHA-256 .*git checkout -- weights"),
        (point, "is a Git-LFS pointer.*git lfs pull"),
        (Path.unlink, "is missing: restore it with `git checkout -- weights`"),
    ],
)
def test_damaged_files_are_refused(folder, monkeypatch, capsys, name, damage, sentence):
    monkeypatch.setattr(shipped, "FOLDER", folder)
    assert len(models.load_shipped("fastscnn_pruned_73").state_dict()) > 200
    damage(folder / name)
    with pytest.raises(CourseError, match=sentence) as caught:
        models.load_shipped("fastscnn_pruned_73")
    assert str(folder / name) in str(caught.value)
    monkeypatch.setattr("sys.argv", ["models", "weights"])
    assert main() == 1
    printed = capsys.readouterr()
    assert "| damaged |" in printed.out and printed.err == f"{caught.value}\n"


@pytest.mark.parametrize("content", [None, "no sums here at all\n"])
def test_checksums_that_are_missing_or_damaged(folder, content):
    (folder / shipped.SUMS).unlink()
    if content:
        (folder / shipped.SUMS).write_text(content)
    with pytest.raises(CourseError, match="SHA256SUMS is missing or damaged: restore it"):
        shipped.read("fastscnn_pruned_73", folder)


def test_a_file_without_a_checksum(folder):
    (folder / shipped.SUMS).write_text("")
    with pytest.raises(CourseError, match="has no checksum in SHA256SUMS"):
        shipped.read("fastscnn_pruned_73", folder)


def test_the_table_of_weights(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["models", "weights"])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(TRAINED) and all(line.endswith("| ok |") for line in lines[2:])
    assert "| Fast-SCNN, pruned by 51 % | fastscnn_pruned_51 | 3.537 | 0.4 | 0.75" in "\n".join(lines)


# --- the cards ---


def test_cards_for_readers_are_those_for_programs():
    for name, card in models.cards().items():
        text = (shipped.FOLDER / f"{name}.md").read_text(encoding="utf-8")
        assert text == card.markdown()
        assert card.origin in text and len(card.classes) == len(card.scores.class_iou) == 19
        assert f"| {card.scores.miou} | {card.scores.acc} | {card.scores.kappa} |" in text
        assert "must not be used for" in text and "Real streets" in text
        assert (card.control is not None) == card.pruned


def test_curves_run_through_the_training():
    for card in models.cards().values():
        seconds, steps = [p.seconds for p in card.curve], [p.steps for p in card.curve]
        assert seconds == sorted(seconds) and steps == sorted(steps)
        assert (seconds[-1], steps[-1]) == (card.training["seconds"], card.training["steps"])
        assert all(p.samples == p.steps * card.training["batch"] for p in card.curve)
        assert card.curve[-1].miou == pytest.approx(card.scores.miou, abs=0.003)


def test_something_else_is_not_a_card(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(CourseError, match="x.json is not a model card"):
        Card.load(tmp_path / "x.json")
