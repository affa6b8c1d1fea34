"""The exercises of the notebooks: unsolved as they are, solved by the solution below them."""

import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import cv2
import nbformat
import numpy as np
import pytest

from helpers import cityscapes, minileaves

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
CALL = re.compile(r"^(.*?)\n+exercises\.(\w+\.check_\w+)\((\w+)(, nb\.classes)?\)$", re.DOTALL)


def exercises():
    """Yield (notebook, path of the check, whether it takes the classes, function, stub, solution) of each exercise."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        stubs, solutions = [], []
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                stubs += CALL.findall(cell.source)
            solutions += re.findall(r"<details>.*?```python\n(.*?)```", cell.source, re.DOTALL)
        assert len(stubs) == len(solutions), f"{path.name}: {len(stubs)} exercises, {len(solutions)} solutions"
        for (code, check, name, classes), solution in zip(stubs, solutions, strict=True):
            yield pytest.param(path.name[:2], check, bool(classes), name, code, solution, id=f"{path.name[:2]}-{name}")


EXERCISES = list(exercises())


@pytest.fixture(scope="module")
def leaves(tmp_path_factory):
    """The folder that notebook 06 calls `source`."""
    return minileaves.generate(
        tmp_path_factory.mktemp("leaves") / "annotated", plants=7, photographs=7, size_hw=(64, 96)
    )


@pytest.mark.parametrize("number, check, takes_classes, name, code, solution", EXERCISES)
def test_stub_fails_and_solution_passes(leaves, number, check, takes_classes, name, code, solution):
    module, function = check.split(".")
    examine = getattr(import_module(f"helpers.exercises.{module}"), function)
    for source, solved in ((code, False), (solution, True)):
        nb = SimpleNamespace(classes=cityscapes.CITYSCAPES)
        names = {"np": np, "cv2": cv2, "cityscapes": cityscapes, "source": leaves, "nb": nb}
        exec(source, names)
        assert examine(names[name], *[nb.classes] * takes_classes).solved == solved, source


def test_each_notebook_has_three_exercises():
    counts = Counter(exercise.values[0] for exercise in EXERCISES)
    assert counts == {path.name[:2]: 3 for path in NOTEBOOKS.glob("*.ipynb") if not path.name.startswith("00")}
