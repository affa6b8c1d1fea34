"""Outside the checkout: a run of the course leaves the home folder and the temporary folder as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_cityscapes import write_set

from helpers.common import caches
from helpers.common.files import PROJECT

PIECE = """
import helpers  # before Paddle, as in all notebooks

import matplotlib.pyplot as plt
import paddle
import paddleseg

from helpers import evaluation, models, notebook, plotting

nb = notebook.Notebook("01", profile=PROFILE, seed=SEED, data_root=DATA_ROOT, output_dir=OUTPUT_DIR)
net = models.build("fastscnn")
evaluation.evaluate(net, nb.frames("val")[:1]).scores.miou
plt.plot([1, 2])
plt.show()
"""
PARAMETERS = 'PROFILE = "mini"\nSEED = 0\nOUTPUT_DIR = ""\nDATA_ROOT = ""'
RUN = """
import pathlib, sys
from helpers.runner.__main__ import main
out, root, project = sys.argv[1:]
sys.exit(main(["--profile", "smoke", "--output-dir", out, "--data-root", root], pathlib.Path(project)))
"""


@pytest.mark.parametrize("writable", [True, False], ids=["empty home", "home that cannot be created"])
def test_course_writes_nothing_outside(writable, write_notebook, tmp_path):
    home = tmp_path / "home" if writable else Path("/proc/no/home")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    if writable:
        home.mkdir()
    write_notebook("01_piece", PIECE, parameters=PARAMETERS)
    root = write_set(tmp_path / "set", size_hw=(64, 128))
    mine = {name: value for name, value in os.environ.items() if name not in {*caches.settings(), *caches.of_jupyter()}}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "out"), str(root), str(tmp_path)],
        env={**mine, "HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not writable or list(home.rglob("*")) == []
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["notebooks", "out", "set", "temporary", *["home"] * writable]
    )


@pytest.fixture
def forget():
    """Ask for the folder of caches again, in the test and after it."""
    caches.folder.cache_clear()
    yield caches.folder.cache_clear
    caches.folder.cache_clear()


def test_caches_lie_in_the_project_or_in_the_temporary_folder(forget, monkeypatch, tmp_path):
    monkeypatch.setattr(caches, "PROJECT", tmp_path)
    monkeypatch.setattr(caches.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert caches.folder() == tmp_path / ".cache"
    assert "NUMBA_CACHE_DIR" not in caches.settings()
    forget()
    monkeypatch.setattr(caches, "PROJECT", Path("/proc/read-only"))  # nobody can write there
    assert caches.folder() == tmp_path / "temporary" / f"street-scenes-{os.getuid()}"
    assert Path(caches.settings()["NUMBA_CACHE_DIR"]).is_relative_to(caches.folder())


def test_folder_of_caches_is_not_a_link_that_another_user_has_made(forget, monkeypatch, tmp_path):
    monkeypatch.setattr(caches, "PROJECT", Path("/proc/read-only"))
    monkeypatch.setattr(caches.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / f"street-scenes-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    chosen = caches.folder()
    assert chosen.name.startswith("street-scenes-") and not chosen.is_symlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    chosen.rmdir()


def test_variables_of_the_user_are_kept(monkeypatch):
    code = "import os, helpers; print(os.environ['SEG_HOME'], os.environ['MPLCONFIGDIR'])"
    env = {**os.environ, "SEG_HOME": "/mine", "MPLCONFIGDIR": "/also/mine"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["/mine", "/also/mine"]


def test_home_is_restored(monkeypatch):
    for before in ("/home/someone", None):
        monkeypatch.setenv("HOME", before) if before else monkeypatch.delenv("HOME")
        with caches.as_home():
            assert os.environ["HOME"] == str(caches.folder())
        assert os.environ.get("HOME") == before
