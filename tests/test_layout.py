"""The layout of the project: imports between the packages of helpers/ point one way, and tests/ mirrors helpers/."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
HELPERS = PROJECT / "helpers"
# A package may import those before it.
ORDER = (
    "common",
    "paddle_compat",
    "devices",
    "profiles",
    "datasets",
    "cityscapes",
    "miniscapes",
    "minileaves",
    "notebook",
    "translations",
    "plotting",
    "models",
    "cpu",
    "deployment",
    "evaluation",
    "start",
    "training",
    "pruning",
    "exercises",
    "widgets",
    "runner",
    "benchmarks",
)
MODULES = sorted(path for path in HELPERS.rglob("*.py") if path != HELPERS / "__init__.py")


def package(path: Path) -> str:
    return path.relative_to(HELPERS).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The packages of helpers that a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the whole name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("helpers."))


def test_every_package_has_a_place_in_the_order():
    assert sorted({package(path) for path in MODULES}) == sorted(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(HELPERS)) for path in MODULES])
def test_imports_point_one_way(path):
    above = ORDER[ORDER.index(package(path)) + 1 :]
    assert [name for name in imported(path) if name in above] == []


def test_tests_mirror_helpers():
    others = {"browser", "docs", "notebooks", "pretrain", "support"}
    folders = {path.name for path in (PROJECT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - others == {name for name in ORDER if (HELPERS / name).is_dir()}
