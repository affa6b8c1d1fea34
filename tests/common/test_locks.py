"""One writer per folder, and a sentence for folders that cannot be written."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.common import locks
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.locks import locked, locked_target


def test_second_writer_is_refused_and_may_follow(tmp_path):
    with locked(tmp_path / "out"):
        with pytest.raises(
            CourseError, match=r"Another run writes to .*out: wait for it or choose another OUTPUT_DIR\."
        ):
            with locked(tmp_path / "out", "choose another OUTPUT_DIR"):
                pass
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "out"):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from helpers.common.locks import locked\n"
        "with locked(sys.argv[1]): print(1, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE)
    process.stdout.readline()
    with pytest.raises(CourseError, match="Another run"), locked(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked(tmp_path):
        pass


def test_read_only_folder(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path))

    monkeypatch.setattr(Path, "open", refuse)  # root may write where permissions say otherwise
    with pytest.raises(CourseError, match=r"is not writable \(Read-only file system\): set OUTPUT_DIR\."):
        with locked(tmp_path, "set OUTPUT_DIR"):
            pass
    with pytest.raises(CourseError, match="/proc/here"), locked("/proc/here"):
        pass


def test_file_system_without_locks(monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locked(tmp_path):
        pass


def test_work_folder_of_a_target_is_empty_and_removed(tmp_path):
    left = tmp_path / ".set.writing" / "new"
    left.mkdir(parents=True)
    (left / "half").touch()
    with locked_target(tmp_path / "set") as work:
        assert [path for path in work.iterdir() if path.name != ".lock"] == []
        with pytest.raises(CourseError, match="Another run writes to .*set: wait"), locked_target(tmp_path / "set"):
            pass
    assert list(tmp_path.iterdir()) == []
