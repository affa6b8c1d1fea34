"""The exercises of the notebooks: unsolved as they are, solved by the solution below them."""

import re
from importlib import import_module
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest

from helpers import cityscapes

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
CHECKS = {"01": "explore", "02": "training", "03": "evaluation", "04": "pruning", "05": "deployment"}


def exercises():
    """Yield (notebook, name of the check, stub, solution) of each exercise."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        stubs, solutions = [], []
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                stubs += re.findall(r"^(.*?)\n+(?:exercises\.(?:\w+\.)?)?(check_\w+)\((\w+)\)$", cell.source, re.DOTALL)
            solutions += re.findall(r"<details>.*?```python\n(.*?)```", cell.source, re.DOTALL)
        assert len(stubs) == len(solutions), f"{path.name}: {len(stubs)} exercises, {len(solutions)} solutions"
        for (code, check, name), solution in zip(stubs, solutions, strict=True):
            yield pytest.param(path.name[:2], check, name, code, solution, id=f"{path.name[:2]}-{name}")


EXERCISES = list(exercises())


@pytest.mark.parametrize("number, check, name, code, solution", EXERCISES)
def test_stub_fails_and_solution_passes(number, check, name, code, solution):
    examine = getattr(import_module(f"helpers.exercises.{CHECKS[number]}"), check)
    for source, solved in ((code, False), (solution, True)):
        names = {"np": np, "cv2": cv2, "cityscapes": cityscapes}
        exec(source, names)
        assert examine(names[name]).solved == solved, source


def test_each_notebook_has_three_exercises():
    assert [exercise.values[0] for exercise in EXERCISES] == [number for number in CHECKS for _ in range(3)]
