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
    assert done.returncode == 0, done.stdout + done.stderr
    *_, head, row = done.stdout.splitlines()
    assert head.split() == ["job", "kills", "minutes", "result"]
    assert row.split()[:2] == ["files", "1"] and row.endswith("equal")


def test_table(soak):
    assert soak.table({"files": ("", 6), "importing": ("differs in a.png, b.png", 90)}, 20).splitlines() == [
        "job        kills  minutes  result",
        "files      20     0.1      equal",
        "importing  20     1.5      differs in a.png, b.png",
    ]
