"""A run killed with SIGKILL at random moments ends with the same bits as an uninterrupted one."""

import multiprocessing
import random
import time
from dataclasses import replace
from pathlib import Path

import paddle
import pytest
from tiny_cityscapes import write_set
from tiny_network import TINY_RECIPE, TinyNet

from helpers.datasets import open_dataset
from helpers.models import WEIGHTS
from helpers.models.weight_files import read
from helpers.training import BEST, HISTORY, checkpoint, load_history

RECIPES = {
    "plain": replace(TINY_RECIPE, iterations=60, validate_every=25),
    # All that a checkpoint must restore in addition. The run stops early, after a validation between two checkpoints.
    "advice": replace(TINY_RECIPE, iterations=60, validate_every=7, accumulate=2, ema=0.9, patience=2, lr=0.5),
}
KILLS = 4


def train(root: str, folder: str, name: str) -> None:
    """Train with a checkpoint every few iterations, in a separate process."""
    from helpers.training import fit, loop

    loop.CHECKPOINT_SECONDS = 0.02
    paddle.set_device("cpu")
    paddle.seed(0)
    frames = open_dataset(Path(root)).frames("train")
    fit(TinyNet(), frames, RECIPES[name], seed=0, folder=folder, device="cpu", val_frames=frames[:2])


@pytest.fixture(scope="module")
def processes():
    # Fork from a server that has imported Paddle, so that a kill does not cost an import.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers.training", "tiny_network"])
    return context


def content(folder: Path) -> dict[str, object]:
    state = {name: read(folder / name).state for name in (WEIGHTS, BEST)}
    return {f"{name} {key}": value.tobytes() for name in state for key, value in state[name].items()}


def newest(folder: Path) -> str:
    return max((path.name for path in folder.glob(checkpoint.PATTERN)), default="")


@pytest.mark.parametrize("name", RECIPES)
def test_killed_at_random_moments(processes, tmp_path, name):
    root = str(write_set(tmp_path / "set", size_hw=(64, 128)))
    folders = tmp_path / "whole", tmp_path / "killed"
    whole = processes.Process(target=train, args=(root, str(folders[0]), name))
    whole.start()
    whole.join()
    assert whole.exitcode == 0

    generator = random.Random(0)
    kills = 0
    for attempt in range(100):
        process = processes.Process(target=train, args=(root, str(folders[1]), name))
        before = newest(folders[1])
        process.start()
        # The first kill may come before the first checkpoint, the others after a new one.
        while attempt and attempt <= KILLS and process.is_alive() and newest(folders[1]) == before:
            time.sleep(0.002)
        process.join(timeout=generator.uniform(0.0, 0.08) if attempt <= KILLS else None)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
        elif process.exitcode == 0:
            break
    assert kills >= 2 and process.exitcode == 0
    assert content(folders[0]) == content(folders[1])
    one, two = (load_history(folder) for folder in folders)
    assert (one.loss, one.lr, one.miou) == (two.loss, two.lr, two.miou)
    assert sorted(path.name for path in folders[1].iterdir()) == sorted([".lock", BEST, HISTORY, WEIGHTS])
