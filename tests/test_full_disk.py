"""A full disk: every writer raises one sentence with the word full, and keeps the old file."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import paddle
import pytest
from tiny_network import TinyNet

from helpers import miniscapes
from helpers.cityscapes import CITYSCAPES
from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import write_json, write_text
from helpers.datasets.pictures import write_picture
from helpers.deployment.exports import export
from helpers.evaluation.evaluating import Evaluation
from helpers.models.weights import save_weights
from helpers.runner import headless
from helpers.training import checkpoint
from helpers.training.averaging import Average
from helpers.training.history import History

NOISE = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)  # 400 kB of PNG


class LargeNet(TinyNet):
    """Weights of 1 MB, more than the small disk holds."""

    def __init__(self):
        super().__init__()
        self.body.add_sublayer("wide", paddle.nn.Conv2D(8, 16384, 1))
        self.body.add_sublayer("narrow", paddle.nn.Conv2D(16384, 8, 1))


def save_checkpoint(folder: Path) -> None:
    net = LargeNet()
    optimiser = paddle.optimizer.Momentum(parameters=net.parameters())
    scaler = paddle.amp.GradScaler(enable=False)
    (folder / "checkpoint").mkdir()
    checkpoint.save(folder / "checkpoint", {}, net, optimiser, scaler, Average(0), History())


def evaluation() -> Evaluation:
    random = np.random.default_rng(0).integers(0, 2**40, (500, 19, 19))
    return Evaluation(tuple(map(str, range(500))), random)


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda folder: write_text(folder / "file", "text" * 100_000),
    "json": lambda folder: write_json(folder / "file", list(range(60_000))),
    "picture": lambda folder: write_picture(folder / "file.png", NOISE),
    "picture with a name that is not UTF-8": lambda folder: write_picture(Path(f"{folder}/\udcff.png"), NOISE),
    "scores": lambda folder: evaluation().save(folder / "file.npz"),
    "weights": lambda folder: save_weights(LargeNet(), folder / "file.pdparams"),
    "checkpoint": save_checkpoint,
    "data set": lambda folder: miniscapes.generate(
        folder / "set", train=2, val=1, test=1, size_hw=(256, 512), seed=0, workers=1
    ),
}


@contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """Mount a disk of 200 kB on `folder`, and yield a word of the sentence."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield "full"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def small_files(folder: Path) -> Iterator[str]:
    """Limit the size of files to 100 kB, which needs no root; Python ignores the signal SIGXFSZ."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield "larger than its file system"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [small_disk, small_files])
@pytest.mark.parametrize("name", WRITERS)
def test_writers_report_a_full_disk_and_leave_nothing(name, limit, tmp_path):
    with limit(tmp_path) as word:
        with pytest.raises(CourseError, match=word) as caught:
            WRITERS[name](tmp_path)
        assert "\n" not in str(caught.value) and ".tmp" not in str(caught.value)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("limit", [small_disk, small_files])
def test_old_file_is_kept(limit, tmp_path):
    with limit(tmp_path) as word:
        write_text(tmp_path / "file", "old")
        with pytest.raises(CourseError, match=word):
            write_text(tmp_path / "file", "new" * 100_000)
        assert (tmp_path / "file").read_text() == "old"


def test_export_on_a_full_disk(tmp_path):
    """Paddle writes the new format in C++ without an error on a full disk; the older format, in Python, raises."""
    disk = tmp_path / "disk"
    disk.mkdir()
    net = LargeNet()
    net.eval()
    with small_disk(disk) as word, pytest.raises(CourseError, match=word):
        export(net, disk / "export", network="tiny", classes=CITYSCAPES)


def test_notebook_on_a_full_disk(write_notebook, tmp_path, capsys):
    source = write_notebook("01_first", "import os; print(os.urandom(200_000).hex())")
    disk = tmp_path / "disk"
    disk.mkdir()

    def run() -> None:
        headless.execute(source, disk / source.name, {}, cell_timeout_s=60)

    with small_disk(disk) as word:
        assert exit_code(run) == 2
    captured = capsys.readouterr()
    assert word in captured.err and captured.err.count("\n") == 1
