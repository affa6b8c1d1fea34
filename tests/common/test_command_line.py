"""Exit codes and messages of commands."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT


def raises(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (lambda: None, 0, ""),
        (lambda: 1, 1, ""),
        (raises(CourseError("Expected this: do that.")), 2, "Expected this: do that.\n"),
        (raises(KeyboardInterrupt()), 130, "interrupted: go on\n"),
    ],
)
def test_codes(command, code, message, capsys):
    assert exit_code(command, "interrupted: go on") == code
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("ENOSPC", "The disk of /a/b is full: free some space"),
        ("EDQUOT", "The disk quota of /a/b is full"),
        ("EFBIG", "/a/b is larger than its file system or `ulimit -f` allows"),
        ("EACCES", "/a/b may not be read or written: change its permissions"),
        ("EPERM", "/a/b may not be read or written: change its permissions"),
        ("EROFS", "/a/b lies on a read-only file system"),
        ("ENOENT", "/a/b does not exist: check the path"),
        ("EISDIR", "Expected a file, got the folder /a/b"),
        ("ENOTDIR", "Expected a folder, but a part of /a/b is a file"),
        ("EEXIST", "/a/b exists already"),
        ("ENOTEMPTY", "The folder /a/b is not empty"),
        ("ENAMETOOLONG", "The name /a/b is too long"),
        ("ELOOP", "/a/b is a link that leads back to itself"),
        ("EXDEV", "/a/b lies on another disk than its target"),
        ("EMFILE", "Too many files are open, at /a/b: use fewer workers"),
        ("ENOMEM", "Not enough memory, at /a/b"),
        ("EIO", "The disk of /a/b reports an error"),
    ],
)
def test_errors_of_the_operating_system_are_one_sentence(number, sentence, capsys):
    assert exit_code(raises(OSError(getattr(errno, number), "the words of the system", "/a/b"))) == 2
    message = capsys.readouterr().err
    assert message.startswith(sentence) and message.endswith(".\n") and message.count("\n") == 1


def test_real_errors_of_the_operating_system(tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    for make, sentence in [
        (lambda: (tmp_path / "none").read_bytes(), "none does not exist"),
        (lambda: tmp_path.read_bytes(), "got the folder"),
        (lambda: (tmp_path / ("a" * 300)).read_bytes(), "too long"),
        (lambda: (tmp_path / "loop").read_bytes(), "leads back to itself"),
        (lambda: (tmp_path / "\udcff").read_bytes(), r"\xff does not exist"),
        (lambda: (tmp_path / "none").rename(tmp_path / "other"), "none does not exist"),
        (lambda: Path("/dev/full").write_text("x"), "a file is full"),
    ]:
        assert exit_code(make) == 2
        assert sentence in capsys.readouterr().err


def test_file_names_that_are_not_utf_8_can_be_printed():
    code = "from helpers.common.command_line import exit_code; exit_code(lambda: print('\\udcff'))"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, env=environment)
    assert (done.stdout, done.stderr) == (rb"\udcff" + b"\n", b"")


def test_reader_of_a_pipe_that_ends_early():
    code = (
        "import sys; from helpers.common.command_line import exit_code; "
        "sys.exit(exit_code(lambda: [print(i) for i in range(99999)] and 0))"
    )
    command = f'"{sys.executable}" -c "{code}" | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n141\n", "")


def test_unknown_errors_of_the_operating_system_propagate():
    with pytest.raises(OSError, match="of a library"):
        exit_code(raises(OSError("of a library")))


def test_other_exceptions_propagate():
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 / 0)
