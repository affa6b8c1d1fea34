"""Files are written atomically."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, atomic_path, read_json, write_bytes, write_json, write_text


def test_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.png"
    with atomic_path(path) as temporary:
        temporary.write_text("complete")
        assert temporary.suffix == ".png"
        assert not path.exists()
    assert path.read_text() == "complete"
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_folder_is_renamed_at_the_end(tmp_path):
    with atomic_path(tmp_path / "set") as temporary:
        temporary.mkdir()
        (temporary / "x").write_text("1")
    assert (tmp_path / "set" / "x").read_text() == "1"


def test_json_round_trip_and_no_nan(tmp_path):
    write_json(tmp_path / "m.json", {"a": 1, "b": 0.1})
    assert read_json(tmp_path / "m.json") == {"a": 1, "b": 0.1}
    with pytest.raises(ValueError):
        write_json(tmp_path / "m.json", {"a": float("nan")})
    assert read_json(tmp_path / "m.json") == {"a": 1, "b": 0.1}


def test_damaged_json_is_named(tmp_path):
    for content in (b"", b'{"a": 1', b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "m.json").write_bytes(content)
        with pytest.raises(CourseError, match=r"Expected JSON in .*m\.json, got a damaged file"):
            read_json(tmp_path / "m.json")


def test_killed_writer_leaves_the_old_file_and_the_next_one_cleans_up(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = (
        "import os, signal, sys\nfrom helpers.common.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], cwd=PROJECT).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2  # what the killed process has left
    write_text(path, "new")
    assert path.read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_writers_of_one_path_wait_for_each_other(tmp_path):
    path = tmp_path / "a.txt"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_text(path, str(number) * 10_000), range(8)))
    assert len(set(path.read_text())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_short_write_is_an_error(tmp_path, monkeypatch):
    """Some network file systems and FUSE write less than they are given."""
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: self.touch())
    with pytest.raises(CourseError, match="Only 0 of 3 bytes"):
        write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: folder / "file" / "a.txt", "file exists already"),
        (lambda folder: folder / ("a" * 300), "is too long"),
        (lambda folder: Path("/proc/a.txt"), r"/proc/a\.txt|/proc/\.a\.txt\.tmp does not exist"),
        (lambda folder: folder / "folder", "Expected a file, got the folder"),
    ],
)
def test_unwritable_paths_are_explained(make, sentence, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(CourseError, match=sentence):
        write_text(make(tmp_path), "text")
