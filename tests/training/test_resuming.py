"""A run that was interrupted ends as an uninterrupted one; damaged checkpoints are passed over."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_network import TINY_RECIPE
from tiny_training import assert_same_weights, fit, names, tiny, weights

from helpers import models, training
from helpers.common.errors import CourseError
from helpers.training import checkpoint, loop


@pytest.mark.parametrize("stop_at", [1, 3, 7])
def test_resumed_run_ends_with_the_same_weights(frames, tmp_path, monkeypatch, stop_at):
    whole, expected = fit(frames, tmp_path / "whole")
    cut_after(stop_at, frames, tmp_path / "cut", monkeypatch)
    assert not (tmp_path / "cut" / models.WEIGHTS).exists()
    # In a new process, parameters have other names and generators other states.
    net, history = fit(frames, tmp_path / "cut", net=tiny(seed=123))
    assert history.loss == expected.loss and history.lr == expected.lr
    assert_same_weights(weights(net), weights(whole))
    assert names(tmp_path / "cut") == [training.HISTORY, models.WEIGHTS]


def test_checkpoint_of_another_run_is_reported_and_not_resumed(frames, tmp_path, monkeypatch, capsys):
    cut_after(2, frames, tmp_path, monkeypatch)
    other = replace(TINY_RECIPE, lr=0.01)
    capsys.readouterr()
    _, history = fit(frames, tmp_path, recipe=other)
    assert "another run (lr 0.05 instead of 0.01)" in capsys.readouterr().out
    _, expected = fit(frames, tmp_path / "fresh", recipe=other)
    assert history.loss == expected.loss


def cut_after(count, frames, folder, monkeypatch):
    """Run with a checkpoint after every iteration, and fail in iteration `count` + 1."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    calls = []

    def loss_fn(outputs, label):
        calls.append(1)
        if len(calls) > count:
            raise KeyboardInterrupt
        return training.segmentation_loss(outputs, label, (1.0, 0.4))

    with pytest.raises(KeyboardInterrupt):
        fit(frames, folder, loss_fn=loss_fn)
    return sorted(folder.glob(checkpoint.PATTERN))


@pytest.mark.parametrize("damage", ["short", "flipped", "empty"])
def test_damaged_checkpoint_is_reported_and_the_previous_one_used(frames, tmp_path, monkeypatch, capsys, damage):
    whole, expected = fit(frames, tmp_path / "whole")
    kept = cut_after(5, frames, tmp_path / "cut", monkeypatch)
    assert [path.name for path in kept] == ["checkpoint_00000004.pdckpt", "checkpoint_00000005.pdckpt"]
    content = bytearray(kept[-1].read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    kept[-1].write_bytes({"short": content[:-1], "flipped": content, "empty": b""}[damage])
    net, history = fit(frames, tmp_path / "cut")
    assert f"{kept[-1]} is damaged" in capsys.readouterr().out
    assert history.loss == expected.loss
    assert_same_weights(weights(net), weights(whole))


def test_run_with_damaged_checkpoints_only_starts_from_scratch(frames, tmp_path, monkeypatch, capsys):
    for path in cut_after(3, frames, tmp_path, monkeypatch):
        path.write_bytes(b"no checkpoint")
    _, history = fit(frames, tmp_path)
    assert capsys.readouterr().out.count("is damaged") == 2
    assert len(history.loss) == TINY_RECIPE.iterations


def test_random_states_of_python_and_numpy_are_restored(frames, tmp_path, monkeypatch):
    """A loss that draws from them gets the same numbers as in an uninterrupted run."""
    import random

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)

    def drawing(stop, drawn):
        def loss_fn(outputs, label):
            if len(drawn) == stop:
                raise KeyboardInterrupt
            drawn.append((random.random(), np.random.rand()))
            return training.segmentation_loss(outputs, label, (1.0, 0.4))

        return loss_fn

    random.seed(5), np.random.seed(6)
    expected = []
    fit(frames, tmp_path / "whole", loss_fn=drawing(-1, expected))
    random.seed(5), np.random.seed(6)
    drawn = []
    with pytest.raises(KeyboardInterrupt):
        fit(frames, tmp_path / "cut", loss_fn=drawing(4, drawn))
    random.seed(77), np.random.seed(77)
    rest = []
    fit(frames, tmp_path / "cut", loss_fn=drawing(-1, rest))
    assert drawn + rest == expected


def test_weights_that_are_not_finite_are_never_saved(frames, tmp_path, monkeypatch):
    """A step from a finite loss can ruin the weights: the checkpoint before it must remain the last."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    net, calls = tiny(), []

    def loss_fn(outputs, label):
        calls.append(1)
        if len(calls) == 4:
            net.head.bias.register_hook(lambda gradient: gradient * float("inf"))
        return training.segmentation_loss(outputs, label, (1.0, 0.4))

    with pytest.raises(CourseError, match="(?s)not finite at iteration 4 of 12.*last good checkpoint.*00000003"):
        fit(frames, tmp_path, net=net, loss_fn=loss_fn)
    assert [path.name for path in sorted(tmp_path.glob(checkpoint.PATTERN))][-1] == "checkpoint_00000003.pdckpt"
