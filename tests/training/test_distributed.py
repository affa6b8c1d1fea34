"""Two gloo processes against one: samples, batch norm, gradients, loss curves, validation, files of rank 0."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest
from tiny_cityscapes import write_set
from tiny_network import TINY_RECIPE, TinyNet

from helpers import models, training
from helpers.datasets import open_dataset
from helpers.datasets.samples import training_batches
from helpers.models.weight_files import read

TESTS = Path(__file__).resolve().parents[1]
RECIPE = replace(TINY_RECIPE, class_balance=1.1, validate_every=6)


class WithoutDropout(TinyNet):
    """Dropout draws different masks in each process; without it the two runs can be compared."""

    def __init__(self, norm=True):
        super().__init__()
        self.body[3] = paddle.nn.Identity()
        if not norm:
            self.body[1] = paddle.nn.Identity()


def run(root: str, folder: str, recipe, norm: bool = True) -> None:
    paddle.seed(0)
    frames = open_dataset(Path(root)).frames("train")
    training.fit(WithoutDropout(norm), frames, recipe, seed=0, folder=folder, device="cpu", val_frames=frames[:5])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Folders of one process with batches of 2 and of two processes with 1 each, and the logs of the launcher."""
    base = tmp_path_factory.mktemp("both")
    root = str(write_set(base / "set", size_hw=(64, 128)))
    run(root, str(base / "one"), RECIPE)
    run(root, str(base / "one-parts"), replace(RECIPE, batch_size=4, iterations=4, warmup=0), norm=False)
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--backend", "gloo"]
    command += ["--log_dir", str(base / "log"), __file__, root, str(base / "two")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS / "support"), str(TESTS.parent)])}
    done = subprocess.run(command, cwd=base, env=environment, capture_output=True, text=True, timeout=240)
    logs = {path.name: path.read_text() for path in sorted((base / "log").glob("workerlog.*"))}
    assert done.returncode == 0, done.stdout + done.stderr + "".join(logs.values())
    return base / "one", base / "two", logs


def test_loss_curve_equals_that_of_one_process(both):
    one, two = (training.load_history(folder) for folder in both[:2])
    np.testing.assert_allclose(one.loss, two.loss, atol=1e-4, rtol=0)
    assert one.lr == two.lr
    assert one.loss[-1] < one.loss[0]


def test_weights_and_statistics_equal_those_of_one_process(both):
    one, two = (read(folder / models.WEIGHTS).state for folder in both[:2])
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_allclose(one[key], two[key], atol=1e-4, rtol=1e-3, err_msg=key)


def test_two_accumulated_batches_on_each_of_two_processes_equal_a_batch_of_four(both):
    one, two = (read(folder.with_name(f"{folder.name}-parts") / models.WEIGHTS).state for folder in both[:2])
    for key in one:
        np.testing.assert_allclose(one[key], two[key], atol=1e-5, rtol=1e-3, err_msg=key)


def test_validation_over_the_processes_is_exact(both):
    """Score one network on two processes and on one; the two networks of the runs are only almost equal."""
    matrices = json.loads((both[1] / "split.json").read_text())
    assert matrices["split"] == matrices["whole"]
    assert sum(map(sum, matrices["whole"])) > 0


def test_only_the_first_process_logs_and_writes(both):
    assert "12/12" in both[2]["workerlog.0"] and "12/12" not in both[2]["workerlog.1"]
    names = {path.name for path in both[1].iterdir()} - {"split.json"}
    assert names == {".lock", training.BEST, training.HISTORY, models.WEIGHTS}


def test_no_sample_is_seen_twice(tmp_path):
    frames = open_dataset(write_set(tmp_path, size_hw=(64, 128))).frames("train")
    whole = [batch[0].numpy() for batch in training_batches(frames, replace(RECIPE, iterations=3, batch_size=4), 0)]
    parts = [
        [batch[0].numpy() for batch in training_batches(frames, replace(RECIPE, iterations=3), 0, rank=rank, world=2)]
        for rank in (0, 1)
    ]
    for iteration in range(3):
        np.testing.assert_array_equal(whole[iteration], np.concatenate([part[iteration] for part in parts]))


def main(root: str, folder: str) -> None:
    """Run in each of the launched processes."""
    from helpers.training import distributed

    run(root, folder, replace(RECIPE, batch_size=1))
    run(root, f"{folder}-parts", replace(RECIPE, batch_size=1, accumulate=2, iterations=4, warmup=0), norm=False)
    world = distributed.join("cpu")
    net = models.load_weights(WithoutDropout(), Path(folder) / models.WEIGHTS)
    frames = open_dataset(Path(root)).frames("train")[:5]
    split = distributed.evaluate(world, net, frames, desc="split")
    whole = distributed.evaluate(distributed.World(), net, frames, desc="whole")
    if world.first:
        (Path(folder) / "split.json").write_text(json.dumps({"split": split.tolist(), "whole": whole.tolist()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
