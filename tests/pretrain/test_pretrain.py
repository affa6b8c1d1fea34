"""From a Paddle network to PyTorch and back, at a tiny size, as scripts/pretrain/README.md describes it for a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import paddle
import pytest

from helpers import miniscapes, models
from helpers.datasets import open_dataset, read_image, read_label
from helpers.deployment.graphs import main_output, without_resize
from helpers.evaluation import evaluate
from helpers.models import shipped
from helpers.models.naming import is_needless
from scripts.pretrain import data, pack, prune
from scripts.pretrain.export import NETWORKS, export

PROJECT = Path(__file__).resolve().parents[2]
SIZE_HW = (64, 128)
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "onnx", "paddle2onnx")),
    reason="scripts/pretrain needs PyTorch: see its README.md",
)
# In a process of its own: PyTorch and Paddle bring libraries of the same name.
FORWARD = """
import json, sys
import numpy as np, torch
from scripts.pretrain.graph import Graph
folder, name = sys.argv[1:]
graph = Graph(f"{folder}/{name}.onnx", json.load(open(f"{folder}/{name}.json"))["tensors"]).eval()
with torch.no_grad():
    logits = graph(torch.from_numpy(np.load(f"{folder}/x.npy"))).numpy()
np.savez(f"{folder}/result.npz", logits, **graph.arrays())
"""


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def randomise_batch_norm(net: paddle.nn.Layer) -> None:
    rng = np.random.default_rng(0)
    for name, tensor in net.state_dict().items():
        if len(tensor.shape) == 1:
            low = 0.5 if name.endswith(("weight", "_variance")) else -0.5
            tensor.set_value(rng.uniform(low, low + 1, tensor.shape).astype(np.float32))


@pytest.mark.parametrize("name", NETWORKS)
def test_torch_computes_the_logits_of_paddle(name, tmp_path):
    net = models.build(name, seed=0)
    randomise_batch_norm(net)
    net.eval()
    export(net, tmp_path, name, network=name, recipe="hrnet", size_hw=SIZE_HW)
    x = np.random.default_rng(1).uniform(-1, 1, (2, 3, *SIZE_HW)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    run(sys.executable, "-c", FORWARD, str(tmp_path), name)
    with paddle.no_grad(), without_resize(main_output(net).resize):
        expected = net(paddle.to_tensor(x))[0].numpy()
    with np.load(tmp_path / "result.npz") as result:
        arrays = dict(result)
    logits = arrays.pop("arr_0")
    assert logits.shape == expected.shape
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()
    state = net.state_dict()
    assert arrays.keys() == {key for key in state if not is_needless(key)}
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, state[key].numpy(), key)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder after a first training, of Fast-SCNN from the shipped weights."""
    folder = tmp_path_factory.mktemp("pretrain")
    miniscapes.generate(folder / "miniscapes", train=8, val=4, test=1, size_hw=SIZE_HW)
    size = [str(each) for each in SIZE_HW]
    assert data.main([str(folder / "data"), "--train=8", "--val=4", "--more=2", "--size", *size]) == 0
    net = models.build("fastscnn", pretrained="miniscapes")
    export(net, folder / "graphs", "fastscnn", network="fastscnn", recipe="fine_tuning", size_hw=SIZE_HW)
    train(folder, "fastscnn")
    return folder


def train(folder: Path, *names: str) -> None:
    script = str(PROJECT / "scripts/pretrain/side_by_side.sh")
    arguments = {"PYTHON": sys.executable, "TRAIN_ARGS": "--batch=2 --validations=2", "OMP_NUM_THREADS": "1"}
    run(script, str(folder), "1", *names, **arguments)


def test_frames_equal_the_files_of_miniscapes(folder):
    with np.load(folder / "data" / "val.npz") as arrays:
        for frame, image, label in zip(
            open_dataset(folder / "miniscapes").frames("val"), arrays["images"], arrays["labels"], strict=True
        ):
            np.testing.assert_array_equal(image, read_image(frame))
            np.testing.assert_array_equal(label, read_label(frame))


def test_training_changes_the_weights_and_records_its_curve(folder):
    before = shipped.read("fastscnn").state
    with np.load(folder / "trained" / "fastscnn.npz") as after:
        assert after.files and all(np.isfinite(after[key]).all() for key in after.files)
        convolutions = [key for key in after.files if after[key].ndim == 4 and before[key].any()]
        assert [key for key in convolutions if np.array_equal(after[key], before[key])] == []
    first, last = json.loads((folder / "trained" / "fastscnn.json").read_text())["curve"]
    assert 0 < first["steps"] < last["steps"] and first["seconds"] < last["seconds"]
    assert np.isfinite([first["loss"], last["loss"]]).all()


def test_paddle_scores_the_trained_network_as_torch_did(folder):
    net = pack.restore(folder, "fastscnn")
    expected = json.loads((folder / "trained" / "fastscnn.json").read_text())["curve"][-1]["val"]
    found = evaluate(net, open_dataset(folder / "miniscapes").frames("val")).scores
    assert expected["miou"] > 0.1  # not a network that predicts one class everywhere
    assert found.miou == pytest.approx(expected["miou"], abs=1e-3)
    assert found.acc == pytest.approx(expected["acc"], abs=1e-3)


@pytest.mark.timeout(600)
def test_pruned_network_and_its_control_are_fine_tuned_and_packed(folder):
    data_root = f"--data-root={folder / 'miniscapes'}"
    size = [str(each) for each in SIZE_HW]
    assert prune.main([str(folder), "--uniform", "--profile=smoke", data_root, "--size", *size]) == 0
    train(folder, prune.CONTROL, "fastscnn_pruned_51")
    weights = folder / "weights"
    names = ["fastscnn", "fastscnn_pruned_51"]
    assert pack.main([str(folder), *names, f"--into={weights}", "--profile=smoke", data_root]) == 0
    cards = shipped.cards(weights)
    assert list(cards) == names
    pruned = cards["fastscnn_pruned_51"]
    assert pruned.pruned and 0.3 < pruned.gmacs / cards["fastscnn"].gmacs < 0.5
    assert pruned.control.frames == 4 and cards["fastscnn"].control is None
    pruned_state, state = (shipped.read(name, weights).state for name in reversed(names))
    assert pruned_state.keys() == state.keys()


def test_missing_weights_are_reported(folder, capsys):
    assert pack.main([str(folder), "uhrnet_w18_small", "--profile=smoke", f"--data-root={folder / 'miniscapes'}"]) == 2
    assert "uhrnet_w18_small.npz is missing: train the network first" in capsys.readouterr().err
