"""The workflows of GitHub Actions: they call make only, with targets, variables and files that exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (PROJECT / "Makefile").read_text()


def steps(path: Path) -> list[dict]:
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def test_there_is_a_workflow_for_each_kind_of_machine():
    assert [path.name for path in WORKFLOWS] == [
        "cityscapes.yml",
        "nightly-gpu.yml",
        "nightly-lab.yml",
        "pages.yml",
        "test.yml",
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_commands_are_make_targets_with_its_variables(path):
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()
    variables = re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.M)
    commands = [step["run"] for step in steps(path) if "run" in step]
    assert commands
    for command in commands:
        make, target, *settings = shlex.split(command)
        assert make == "make" and target in targets
        assert {setting.partition("=")[0] for setting in settings} <= set(variables)
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        assert set(job.get("env", {})) <= set(variables)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_dry_run_of_each_command_ends_without_an_error(path):
    for step in steps(path):
        if "run" in step:
            command = shlex.split(step["run"])
            result = subprocess.run([*command, "--dry-run"], cwd=PROJECT, capture_output=True, text=True)
            assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_artifacts_lie_in_the_outputs_of_the_profile_that_ran(path):
    commands = " ".join(step.get("run", "") for step in steps(path))
    profile = (re.findall(r"PROFILE=(\w+)", commands) or ["smoke"])[0]
    kept = [each for step in steps(path) if "with" in step for each in step["with"].get("path", "").split()]
    assert kept or path.name == "nightly-lab.yml"  # which keeps nothing
    assert all(each.startswith(f"outputs/{profile}/") for each in kept)


@pytest.mark.parametrize(("user", "before"), [("0", ""), ("1001", "sudo ")])
def test_ci_installs_missing_system_packages_as_root(user, before, tmp_path):
    """Run .ci/run in an empty project, on a machine without cmake, where apt-get and make only print their call."""
    programs = {"id": f"echo {user}", "sudo": 'echo -n "sudo "; "$@"', "apt-get": 'echo apt-get "$1"', "make": ""}
    tools, project = tmp_path / "bin", tmp_path / "project"
    for folder in (tools, project / ".ci", project / "scripts", project / ".venv" / "bin"):
        folder.mkdir(parents=True)
    for name in ("bash", "dirname", "env", "grep", "ldconfig"):
        (tools / name).symlink_to(shutil.which(name, path=f"{os.environ['PATH']}:/sbin:/usr/sbin"))
    for path, script in (
        *((tools / name, script) for name, script in programs.items()),
        (project / "scripts" / "find_python.sh", ""),
        (project / ".venv" / "bin" / "python", ""),
    ):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    shutil.copy(PROJECT / ".ci" / "run", project / ".ci" / "run")
    done = subprocess.run([project / ".ci" / "run"], env={"PATH": str(tools)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [f"{before}apt-get update", f"{before}apt-get install"]


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_nothing():
    result = subprocess.run(["actionlint", *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
