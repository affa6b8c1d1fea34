"""Faults of a run: the right exit code, one sentence, and earlier results unchanged. Ctrl-C is in test_main.py."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from helpers.common.files import read_json
from helpers.profiles import load_profile
from helpers.runner import __main__ as command
from helpers.runner import headless
from helpers.runner import plan as planning

EARLIER = "the earlier result"


@pytest.fixture
def out(tmp_path) -> Path:
    """An output folder with an earlier result of notebook 02."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "02_second.ipynb").write_text(EARLIER)
    return folder


def main(tmp_path: Path, *arguments: str) -> int:
    return command.main(["--profile", "smoke", "--output-dir", str(tmp_path / "out"), *arguments], tmp_path)


def sentence(capsys) -> str:
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error.rstrip("\n")


def test_endless_cell_ends_at_the_timeout_of_the_profile(write_notebook, tmp_path, out, capsys, monkeypatch):
    impatient = replace(load_profile("smoke"), cell_timeout_s=1)
    monkeypatch.setattr(planning, "load_profile", lambda name: impatient)
    write_notebook("02_second", "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass")
    assert main(tmp_path) == 1
    assert sentence(capsys).startswith("02_second, cell 3: timed out after 1 s: raise cell_timeout_s of this profile")
    assert (out / "02_second.ipynb").read_text() == EARLIER


@pytest.mark.parametrize(
    ("start", "cause"),
    [
        ("import os; os._exit(1)", "Kernel died before replying"),
        ("import time; time.sleep(60)", "Kernel didn't respond"),
    ],
)
def test_kernel_that_does_not_start(start, cause, write_notebook, tmp_path, out, capsys, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(start)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(headless, "START_TIMEOUT_S", 5)
    write_notebook("02_second", "x = 1")
    assert main(tmp_path) == 1
    assert sentence(capsys).startswith(f"02_second: the kernel did not start: {cause}")
    assert (out / "02_second.ipynb").read_text() == EARLIER


def test_cell_that_prints_without_end_leaves_a_small_partial_notebook(write_notebook, tmp_path, out, monkeypatch):
    impatient = replace(load_profile("smoke"), cell_timeout_s=2)
    monkeypatch.setattr(planning, "load_profile", lambda name: impatient)
    write_notebook("02_second", 'while True: print("x" * 1_000_000)')
    assert main(tmp_path) == 1
    assert (out / "02_second.partial.ipynb").stat().st_size < 6e6


def test_broken_checkpoint_between_notebooks(write_notebook, tmp_path, out, capsys):
    write_notebook("01_first", 'import pathlib; pathlib.Path(OUTPUT_DIR, "net.pdparams").write_bytes(b"half")')
    write_notebook(
        "02_second",
        "from helpers.models.weights import load_weights\n"
        "import paddle\n"
        'load_weights(paddle.nn.Linear(2, 2), f"{OUTPUT_DIR}/net.pdparams")',
    )
    assert main(tmp_path) == 1
    message = sentence(capsys)
    assert message.startswith("02_second, cell 3: CourseError: ") and f"{out}/net.pdparams" in message
    assert (out / "02_second.ipynb").read_text() == EARLIER
    assert nbformat.read(out / "01_first.ipynb", 4).metadata["course"]["source"]


def test_large_output_is_cut_in_the_notebook_and_in_the_report(write_notebook, tmp_path, out):
    write_notebook("02_second", 'for _ in range(50): print("x" * 1_000_000)', 'print("after")')
    assert main(tmp_path) == 0
    cells = nbformat.read(out / "02_second.ipynb", 4).cells
    assert re.search(r"4\d\.\d MB of output left out: a cell may store 5 MB\]", cells[-2].outputs[-1].text)
    assert cells[-1].outputs[0].text == "after\n"
    assert all(path.stat().st_size < 6e6 for path in out.iterdir())
    assert "of output left out" in (out / "report.html").read_text()


@pytest.mark.parametrize("options", ["size=300k", "ro"])
def test_full_or_read_only_disk(options, write_notebook, tmp_path, capsys):
    """Root may write to any folder, so only a disk can refuse."""
    write_notebook("02_second", "import os; print(os.urandom(300_000).hex())")
    disk = tmp_path / "out"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a disk needs root")
    try:
        if "size" in options:
            (disk / "02_second.ipynb").write_text(EARLIER)
        assert main(tmp_path) == 2
        message = sentence(capsys)
        assert ("full" if "size" in options else "is not writable (Read-only file system)") in message
        if "size" in options:
            assert (disk / "02_second.ipynb").read_text() == EARLIER
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_failure_with_keep_going_is_in_the_files_for_ci(write_notebook, tmp_path, out, capsys, monkeypatch):
    (out / "02_second.ipynb").unlink()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "github.md"))
    write_notebook("01_first", "1 / 0")
    write_notebook("02_second", 'import pathlib; pathlib.Path(OUTPUT_DIR, "metrics.json").write_text(\'{"02.a": 1}\')')
    assert main(tmp_path, "--keep-going", "--junit", str(tmp_path / "junit.xml")) == 1
    assert sentence(capsys) == "01_first, cell 3: ZeroDivisionError: division by zero"
    assert 'failures="1"' in (tmp_path / "junit.xml").read_text()
    assert "1 failed." in (tmp_path / "github.md").read_text()
    assert "1 failed." in (out / "report.html").read_text()
    assert read_json(out / "metrics.json") == {"02.a": 1}
    assert not (out / "history.jsonl").exists()
