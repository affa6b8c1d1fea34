"""The lock, pyproject.toml and the conda file agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.common.files import PROJECT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


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
