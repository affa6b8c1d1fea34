"""The workflows of GitHub Actions: they call make only, with targets, variables and files that exist."""

from __future__ import annotations

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


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_nothing():
    result = subprocess.run(["actionlint", *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
