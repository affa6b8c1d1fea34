"""Checkpoints: what was saved is restored bit by bit, and a foreign file is one sentence and runs nothing."""

import json
import os
import pickle
from dataclasses import replace

import numpy as np
import paddle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_network import TINY_RECIPE, TinyNet

from helpers.training import checkpoint, checkpoint_files, schedule
from helpers.training.averaging import Average
from helpers.training.history import History

HISTORY = History([1.5, 0.1 + 0.2], [0.05, 0.04], 2.5, 0.5, [2], [0.25])
RUN = {"network": "one", "frames": "two", "classes": ["a"], "recipe": {"lr": 0.05}, "seed": 0, "processes": 1}


class Parts:
    """What a checkpoint restores, after `steps` steps of training."""

    def __init__(self, optimiser="adamw", steps=2, ema=0.9):
        paddle.seed(steps)
        self.net = TinyNet(3)
        self.optimiser, _ = schedule.optimiser(replace(TINY_RECIPE, optimiser=optimiser), self.net)
        self.scaler, self.average = paddle.amp.GradScaler(enable=False), Average(ema)
        self.average.start(self.net)
        for count in range(steps):
            self.net(paddle.rand([1, 3, 8, 8]))[0].mean().backward()
            self.optimiser.step()
            self.average.update(self.net, count + 1)

    def all(self):
        return self.net, self.optimiser, self.scaler, self.average

    def content(self):
        names = {parameter.name: path for path, parameter in self.net.named_parameters()}
        accumulators = checkpoint._renamed(self.optimiser.state_dict(), names)
        states = {"net": self.net.state_dict(), "optimiser": accumulators, "average": self.average.state}
        return {(part, name): tensor.numpy() for part, state in states.items() for name, tensor in state.items()}


def resume(folder, parts=None):
    said = []
    return checkpoint.resume(folder, RUN, *(parts or Parts(steps=0)).all(), said.append), said


@pytest.fixture(autouse=True)
def cpu():
    paddle.set_device("cpu")


@pytest.fixture
def saved(tmp_path):
    parts = Parts()
    checkpoint.save(tmp_path, RUN, *parts.all(), HISTORY)
    return parts, next(tmp_path.iterdir())


@pytest.mark.parametrize("optimiser", ["sgd", "adamw", "adam"])
@pytest.mark.parametrize("ema", [0, 0.9])
def test_restored_bit_by_bit(tmp_path, optimiser, ema):
    parts, again = Parts(optimiser, 3, ema), Parts(optimiser, 0, ema)
    checkpoint.save(tmp_path, RUN, *parts.all(), HISTORY)
    history, said = resume(tmp_path, again)
    assert history == HISTORY and said == []
    expected, found = parts.content(), again.content()
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[key], found[key]) and expected[key].shape == found[key].shape for key in found)
    if optimiser != "sgd":
        assert any("moment2" in name for part, name in found if part == "optimiser")


def test_scaler_is_restored(tmp_path):
    """The scale of float16 is in the JSON part. Paddle has no scaler on a CPU, so a stand-in holds the state."""

    class Scaler:
        state = {"scale": np.float32([2.0**15 / 3]), "incr_count": 7, "use_dynamic_loss_scaling": True}  # noqa: RUF012

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.loaded = state

    parts = Parts()
    parts.scaler = Scaler()
    checkpoint.save(tmp_path, RUN, *parts.all(), HISTORY)
    assert resume(tmp_path, parts)[0] == HISTORY
    loaded = parts.scaler.loaded
    assert np.float32(loaded["scale"][0]) == Scaler.state["scale"][0]
    assert {**loaded, "scale": 0} == {**Scaler.state, "scale": 0}


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_under_that_name_is_not_executed(tmp_path, protocol):
    path = tmp_path / "checkpoint_00000002.pdckpt"
    path.write_bytes(pickle.dumps({"run": RUN, "net": Evil(tmp_path / "ran")}, protocol))
    history, said = resume(tmp_path)
    assert history is None and not (tmp_path / "ran").exists()
    assert said == [
        f"The checkpoint {path} is a pickle, as older versions of the course wrote: starting from the first iteration."
    ]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (lambda whole: b"", "is empty"),
        (lambda whole: whole[:-1], "damaged"),
        (lambda whole: whole[:100], "damaged"),
        (lambda whole: whole[:5], "damaged"),
        (lambda whole: whole + b"x", "damaged"),
        (lambda whole: whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "wrong checksum"),
        (lambda whole: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git-LFS pointer"),
        (lambda whole: pickle.dumps({"run": RUN}, 0), "damaged"),
        (lambda whole: b"<!doctype html>", "damaged"),
    ],
)
def test_damaged_or_foreign(saved, content, word):
    _, path = saved
    path.write_bytes(content(path.read_bytes()))
    history, (said,) = resume(path.parent)
    assert history is None
    assert str(path) in said and word in said and said.endswith("starting from the first iteration.")
    assert "\n" not in said


def test_folder_of_that_name_is_passed_over(tmp_path):
    (tmp_path / "checkpoint_00000009.pdckpt").mkdir()
    assert resume(tmp_path) == (None, [])
    checkpoint.clear(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, values: tensors.pop("net/head.weight"),
        lambda tensors, values: tensors.update({"net/head.weight": np.zeros(3, np.float32)}),
        lambda tensors, values: tensors.update({"optimiser/nothing_moment1_0": np.zeros(3, np.float32)}),
        lambda tensors, values: tensors.update({"optimiser/head.weight_moment1_0": np.zeros(3, np.float32)}),
        lambda tensors, values: tensors.update({"more": np.zeros(3, np.float32)}),
        lambda tensors, values: values.pop("run"),
        lambda tensors, values: values.update(run=[]),
        lambda tensors, values: values.pop("history"),
        lambda tensors, values: values["history"].update(more=1),
        lambda tensors, values: values["history"].update(loss="none"),
        lambda tensors, values: values["history"].update(miou=1.0),
        lambda tensors, values: values.update(python=[3, [1, 2], None]),
        lambda tensors, values: values.update(numpy=["MT19937", [-1], 0, 0, 0.0]),
    ],
)
def test_other_values_with_a_right_checksum(saved, change):
    """A file of another program, or a forged one: nothing is loaded from it."""
    _, path = saved
    tensors, values = checkpoint_files.read(path)
    change(tensors, values)
    checkpoint_files.write(path, tensors, values)
    parts = Parts(steps=0)
    before = parts.content()
    history, (said,) = resume(path.parent, parts)
    assert history is None and "holds other values" in said
    assert all(np.array_equal(array, before[key]) for key, array in parts.content().items())


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_found(saved, tmp_path, data):
    _, path = saved
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = tmp_path / "damaged"
    other.write_bytes(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])
    try:
        tensors, values = checkpoint_files.read(other)
    except checkpoint_files.Unusable as error:
        assert str(error) and "\n" not in str(error)
    else:  # the same byte, or white space
        expected = checkpoint_files.read(path)
        assert json.dumps(values) == json.dumps(expected[1])
        assert all(np.array_equal(array, expected[0][name]) for name, array in tensors.items())
