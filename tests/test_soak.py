"""`make soak`: one kill of its cheapest job, and a difference is found."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.common.files import PROJECT


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", PROJECT / "scripts" / "soak.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_other_results_are_found_but_times_are_left_out(soak, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, seconds in ((one, 1), (two, 2)):
        write(folder, "history.json", f'{{"loss": [1.0], "seconds": {seconds}}}')
        write(folder, ".lock", str(seconds))
    assert soak._difference(one, two) == ""
    write(two, "more.txt", "left over")
    write(two, "history.json", '{"loss": [1.5], "seconds": 1}')
    assert soak._difference(one, two) == "history.json, more.txt"


def test_killed_writer_ends_with_the_same_files():
    done = subprocess.run(
        [sys.executable, "scripts/soak.py", "--only", "files", "--kills", "1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "files: 1 kills, same results\n"), done.stderr
