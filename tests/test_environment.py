"""Set-up by make: created once, repeated after a failure, and one sentence for what is missing; then JupyterLab."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from jupyter_server_process import running

from helpers.common.files import PROJECT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files that set-up reads."""
    shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / "requirements.lock").write_text("one==1 \\\n    --hash=sha256:0\n")
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "PYTHON")
    }
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def sentence(result: subprocess.CompletedProcess) -> str:
    """The one line on standard error that does not come from make itself."""
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.mark.parametrize("target", ["run", "test", "lab", "bench"])
def test_missing_python(checkout, target):
    message = sentence(make(checkout, target, "PYTHON=/nonexistent"))
    assert "needs Python 3.10, 3.11 or 3.12; looked for /nonexistent" in message and "apt-get install" in message
    assert not (checkout / ".venv").exists()


def test_python_that_is_too_old(checkout, tmp_path):
    old = script(tmp_path / "with space" / "python", "echo 3.8 linux x86_64")
    assert f"looked for {old} ({old} is 3.8)" in sentence(make(checkout, "run", f"PYTHON={old}"))


def test_no_python(checkout):
    result = subprocess.run(
        [shutil.which("bash"), "scripts/find_python.sh", ""],
        cwd=checkout,
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert "looked for python3.11 python3.12 python3.10 python3 python (none of these starts)" in sentence(result)


def test_unsupported_platform(checkout, tmp_path):
    mac = script(tmp_path / "python", "echo 3.11 darwin arm64")
    assert "for Linux on x86-64" in sentence(make(checkout, "run", f"PYTHON={mac}"))


def test_python_without_venv(checkout, tmp_path):
    bare = script(tmp_path / "python", 'case "$2" in *ensurepip*) exit 1;; esac; echo 3.11 linux x86_64')
    assert "apt-get install python3.11-venv" in sentence(make(checkout, "run", f"PYTHON={bare}"))


@pytest.fixture
def fake(checkout, tmp_path) -> Path:
    """A Python whose environments are scripts: a file `fail` makes their pip fail, `log` counts its runs."""
    inner = f"""
case "$*" in
    *"-m pip"*) echo pip >>{tmp_path}/log; [ ! -e {tmp_path}/fail ] || {{ echo "ERROR: no network" >&2; exit 1; }} ;;
    *sysconfig*) echo .venv ;;
esac"""
    script(tmp_path / "inner", inner)
    outer = f"""
case "$*" in
    *"-m venv"*) mkdir -p .venv/bin && cp {tmp_path}/inner .venv/bin/python ;;
    *) echo 3.11 linux x86_64 ;;
esac"""
    return script(tmp_path / "python", outer)


def installs(folder: Path) -> int:
    return (folder / "log").read_text().count("pip") if (folder / "log").exists() else 0


def test_environment_is_created_once_and_again_only_for_a_new_lock(checkout, fake):
    def setup() -> int:
        result = make(checkout, "setup", f"PYTHON={fake}")
        assert result.returncode == 0, result.stderr
        return installs(checkout)

    assert [setup(), setup()] == [1, 1]
    lock = checkout / "requirements.lock"
    os.utime(lock)  # as in a fresh checkout: newer, same content
    assert [setup(), setup()] == [1, 1]
    lock.write_text(lock.read_text().replace("one==1", "one==2"))
    assert [setup(), setup()] == [2, 2]


def test_failed_install_is_repeated(checkout, fake):
    (checkout / "fail").touch()
    result = make(checkout, "setup", f"PYTHON={fake}")
    assert result.returncode != 0
    assert "ERROR: no network" in result.stderr and "The packages could not be installed" in result.stderr
    half = checkout / ".venv" / "half-installed"
    half.touch()
    (checkout / "fail").unlink()
    assert make(checkout, "setup", f"PYTHON={fake}").returncode == 0
    assert installs(checkout) == 2 and not half.exists()


def test_make_without_target_lists_the_targets(checkout):
    result = make(checkout)
    assert result.returncode == 0
    assert {"run", "lab", "test", "bench"} <= {line.split()[0] for line in result.stdout.splitlines()}


@pytest.fixture
def jupyter(tmp_path):
    """Address and port of the server that `make lab` starts, and its token."""
    with running(["make", "lab", "ARGS=--no-browser --allow-root --port=0"], tmp_path) as (url, token):
        yield {"url": url, "port": urllib.parse.urlsplit(url).port, "token": token}


def status(address: str) -> int:
    """The HTTP status of a request; waits for a server that does not listen yet."""
    for _ in range(300):
        with (
            contextlib.suppress(ConnectionError, urllib.error.URLError),
            socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(address).port)),
        ):
            break
        time.sleep(0.1)
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_jupyter_listens_on_this_machine_only_and_wants_its_token(jupyter):
    assert len(jupyter["token"]) >= 32
    contents = f"{jupyter['url']}api/contents"
    assert [status(contents), status(f"{contents}?token=wrong"), status(f"{contents}?token={jupyter['token']}")] == [
        403,
        403,
        200,
    ]
    listening = [
        socket.inet_ntop(
            family, b"".join(bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8))
        )
        for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6))
        if Path("/proc/net", name).exists()
        for line in Path("/proc/net", name).read_text().splitlines()[1:]
        for address, port in [line.split()[1].split(":")]
        if int(port, 16) == jupyter["port"] and line.split()[3] == "0A"  # LISTEN
    ]
    assert listening and set(listening) <= {"127.0.0.1", "::1"}


def test_helpers_can_be_imported_from_any_folder(tmp_path):
    if Path(sys.prefix) != PROJECT / ".venv" or not (PROJECT / ".venv" / ".ready").exists():
        pytest.skip("not the environment that make created")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import helpers; print(helpers.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == str(PROJECT / "helpers" / "__init__.py")
    # relative, so that the folder can be moved
    assert Path(sysconfig.get_path("purelib"), "street_scene_course.pth").read_text() == "../../../..\n"
