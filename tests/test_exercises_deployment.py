"""The checks of notebook 05: its own solutions pass, and each likely mistake gets its hint."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers.exercises.deployment import check_agreement, check_floor, check_to_network

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "05_deploy.ipynb"


@pytest.fixture(scope="module")
def solutions() -> dict:
    names = {"np": np}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        for code in re.findall(r"<details>.*?```python\n(.*?)```", cell.source, flags=re.DOTALL):
            exec(code, names)
    return names


def test_solutions_in_the_notebook_pass(solutions):
    assert check_to_network(solutions["to_network"]).solved
    assert check_agreement(solutions["share_of_equal_labels"]).solved
    assert check_floor(solutions["floor_ms"]).solved


@pytest.mark.parametrize(
    "wrong, hint",
    [
        (lambda x: (x / 255).transpose(2, 0, 1)[None], "255 becomes 1 and 0 becomes -1"),
        (lambda x: (x / 127.5 - 1).reshape(1, 3, *x.shape[:2]), "transpose, do not reshape"),
        (lambda x: x / 127.5 - 1, "shape (1, 1, 3), expected (1, 3, 1, 1)"),
    ],
)
def test_wrong_inputs(wrong, hint):
    result = check_to_network(wrong)
    assert not result.solved and hint in result.message


def test_wrong_agreement():
    assert not check_agreement(lambda labels, reference: np.mean(labels != reference)).solved
    assert not check_agreement(lambda labels, reference: np.sum(labels == reference)).solved
