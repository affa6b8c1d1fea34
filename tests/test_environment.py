"""Set-up: lock, conda file and Makefile agree, and a failed set-up prints one sentence."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.parse
import urllib.request
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from jupyter_server_process import running
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12")
# Required by a package but excluded: see [tool.uv] in pyproject.toml.
LEFT_OUT = {"opencv-python", "typing", "swig"}


def pins(python: str) -> dict[str, str]:
    """Packages and versions of the lock for this Python on Linux x86-64."""
    where = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
    }
    found: dict[str, str] = {}
    for line in (PROJECT / "requirements.lock").read_text().splitlines():
        if line.startswith((" ", "#")):
            continue
        requirement = Requirement(line.rstrip(" \\"))
        if requirement.marker is None or requirement.marker.evaluate(where):
            assert requirement.name not in found, f"{requirement.name} twice for Python {python}"
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


def required(python: str) -> dict[str, Requirement]:
    """Direct dependencies in pyproject.toml for this Python."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    named = [Requirement(text) for text in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]
    return {
        canonicalize_name(one.name): one
        for one in named
        if one.marker is None or one.marker.evaluate({"python_version": python})
    }


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_satisfies_pyproject(python):
    locked = pins(python)
    for name, requirement in required(python).items():
        assert requirement.specifier.contains(locked[name]), f"{name} {locked[name]}: run `make lock`"


def test_lock_is_closed_for_this_python():
    locked = pins(f"{sys.version_info[0]}.{sys.version_info[1]}")
    missing = {
        (name, needed.name)
        for name in locked
        for needed in map(Requirement, requires(name) or [])
        if (needed.marker is None or needed.marker.evaluate({"extra": ""}))
        and canonicalize_name(needed.name) not in {*locked, *LEFT_OUT}
    }
    assert not missing


def test_lock_has_a_hash_for_every_pin_and_no_local_paths():
    text = (PROJECT / "requirements.lock").read_text()
    for entry in re.split(r"\n(?=\S)", text):
        if "==" in entry.splitlines()[0]:
            assert "--hash=sha256:" in entry, entry
    assert "://" not in text and not re.search(r"(^|\s)/\w+/", text)


# --- environment.yml ---


@pytest.fixture(scope="module")
def conda() -> dict[str, str]:
    """Packages and versions of the pip section, and of the second step in scripts/conda.sh."""
    text = (PROJECT / "environment.yml").read_text()
    lines = next(item["pip"] for item in yaml.safe_load(text)["dependencies"] if isinstance(item, dict))
    lines = [line for line in lines if not line.startswith("--")]
    script = (PROJECT / "scripts" / "conda.sh").read_text()
    lines += re.search(r"pip install --no-deps (.*==.*)$", script, re.MULTILINE)[1].split()
    named = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in named}


def test_conda_has_the_versions_of_the_lock(conda):
    locked = pins("3.11")
    locked["paddlepaddle-gpu"] = locked.pop("paddlepaddle")
    assert conda == {name: locked[name] for name in conda}


def test_conda_has_every_dependency_in_pyproject(conda):
    names = {name if name != "paddlepaddle" else "paddlepaddle-gpu" for name in required("3.11")}
    assert names <= set(conda)


@pytest.mark.parametrize("package", ["paddleseg", "paddleslim", "cityscapesscripts"])
def test_conda_has_the_dependencies_of_packages_installed_without_them(conda, package):
    needed = {canonicalize_name(one.name) for one in map(Requirement, requires(package)) if not one.marker}
    assert needed - LEFT_OUT <= set(conda)


def dry_run(lines: list[str], folder: Path) -> subprocess.CompletedProcess:
    """Let pip resolve requirements among the installed packages, without installing any."""
    (folder / "requirements.txt").write_text("\n".join(lines))
    options = ["--dry-run", "--no-index", "--quiet", "--report", "-", "--requirement", "requirements.txt"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_pip_resolves_the_conda_file(tmp_path):
    content = yaml.safe_load((PROJECT / "environment.yml").read_text())
    lines = [line.replace("paddlepaddle-gpu", "paddlepaddle") for line in content["dependencies"][-1]["pip"][1:]]
    done = dry_run(lines, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["install"] == []  # nothing that the lock lacks
    assert dry_run([*lines, "scipy==1.0.0"], tmp_path).returncode != 0


def test_conda_takes_paddle_from_its_own_index_and_python_from_the_lock():
    content = yaml.safe_load((PROJECT / "environment.yml").read_text())
    assert "python=3.11" in content["dependencies"]
    assert content["dependencies"][-1]["pip"][0].split() == [
        "--extra-index-url",
        "https://www.paddlepaddle.org.cn/packages/stable/cu126/",
    ]


def test_every_line_of_the_conda_file_has_a_comment():
    for line in (PROJECT / "environment.yml").read_text().splitlines():
        if line.strip() and line.rstrip() not in ("channels:", "dependencies:", "  - pip:"):
            assert re.search(r"(^|\s)# \w", line) or line == "#" or line.startswith("#   "), line


# --- make ---


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
