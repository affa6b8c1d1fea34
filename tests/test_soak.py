"""`make soak`: one kill of its cheapest job, and a difference is found."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.common.files import PROJECT


@pytest.fixture(scope="module")
def soak():
    sys.path.append(str(PROJECT / "scripts"))
    return importlib.import_module("soak")


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


NOTEBOOK = """
import json, sys, time
from pathlib import Path
_, notebook, _, folder = sys.argv[1:]
Path(folder).mkdir(exist_ok=True)
(Path(folder) / "starts.txt").open("a").write(notebook)
time.sleep(0.5)
path = Path(folder) / "metrics.json"
metrics = json.loads(path.read_text()) if path.exists() else {}
metrics |= {f"{notebook}.seconds": time.time(), f"{notebook}.miou": 0.5}
if "killed" in folder and notebook == BAD:
    metrics["02.miou"] = 0.25
path.with_suffix(".new").write_text(json.dumps(metrics))
path.with_suffix(".new").replace(path)
sys.exit(notebook == FAILED)
"""


@pytest.mark.parametrize(
    ("bad", "failed", "result"),
    [
        ("", "", ""),
        ("02", "", "differs in 02.miou"),
        ("", "02", "the undisturbed notebook 02 failed with 1 (no output)"),
    ],
)
def test_kills_of_a_run_are_distributed_over_its_notebooks(soak, tmp_path, monkeypatch, bad, failed, result):
    script = NOTEBOOK.replace("BAD", repr(bad)).replace("FAILED", repr(failed))
    monkeypatch.setattr(soak, "RUN", [sys.executable, "-c", script])
    assert soak.soak_run(tmp_path, 3, 0, ["01", "02"]) == result
    if not failed:  # some of the kills come before the script has written anything
        assert (tmp_path / "undisturbed" / "starts.txt").read_text() == "0102"
        assert len((tmp_path / "killed" / "starts.txt").read_text()) in range(4, 11)


def test_table(soak):
    assert soak.table({"files": ("", 6), "importing": ("differs in a.png, b.png", 90)}, 20).splitlines() == [
        "job        kills  minutes  result",
        "files      20     0.1      equal",
        "importing  20     1.5      differs in a.png, b.png",
    ]
