"""The exercises of notebooks 01 to 06: kinds, predictions that are compared, and checks that know typical mistakes."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from helpers import cityscapes, minileaves

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(path for path in FOLDER.glob("*.ipynb") if not path.name.startswith("00"))
KINDS = {"exercise-predict", "exercise-experiment", "exercise-code"}


@dataclass
class Exercise:
    """`tree` is the cell of the stub: definitions, then the check on the last line."""

    notebook: Path
    name: str
    tree: ast.Module
    solution: str

    def run(self, source: ast.Module | str, names: dict):
        """Execute `source` in place of the stub and return the result of the check."""
        exec(compile(source, self.name, "exec") if isinstance(source, ast.Module) else source, names)
        return eval(compile(ast.Expression(self.tree.body[-1].value), self.name, "eval"), names)


def cells(path: Path, kind: str = "code") -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def trees(path: Path) -> list[ast.Module]:
    return [ast.parse(cell.source) for cell in cells(path)]


def calls(tree: ast.AST, pattern: str) -> list[ast.Call]:
    """Calls whose function, as written, matches `pattern`."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in found if re.fullmatch(pattern, ast.unparse(call.func))]


def of_code() -> list[Exercise]:
    """The stubs with a check, each with the next folded solution."""
    found = []
    for path in NOTEBOOKS:
        waiting: ast.Module | None = None
        for cell in nbformat.read(path, as_version=4).cells:
            solution = re.search(r"<details><summary>Solution</summary>.*?```python\n(.*?)```", cell.source, re.DOTALL)
            tree = ast.parse(cell.source) if cell.cell_type == "code" else ast.Module([], [])
            if calls(tree, r"exercises\.\w+\.check_\w+"):
                assert waiting is None, f"{path.name}: no folded solution before\n{cell.source}"
                waiting = tree
            elif cell.cell_type == "markdown" and solution and waiting:
                (check,) = calls(waiting, r"exercises\.\w+\.check_\w+")
                found.append(Exercise(path, ast.unparse(check.args[0]), waiting, solution[1]))
                waiting = None
        assert waiting is None, f"{path.name}: the last check has no folded solution"
    return found


OF_CODE = of_code()
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
each_exercise = pytest.mark.parametrize("exercise", OF_CODE, ids=[f"{e.notebook.stem[:2]}-{e.name}" for e in OF_CODE])


@pytest.fixture(scope="module")
def leaves(tmp_path_factory):
    """The folder that notebook 06 calls `source`."""
    return minileaves.generate(
        tmp_path_factory.mktemp("leaves") / "annotated", plants=7, photographs=7, size_hw=(64, 96)
    )


@pytest.fixture
def names(exercise, leaves) -> dict:
    """What the notebook imports, and the few variables that exercises use."""
    names = {"nb": SimpleNamespace(classes=cityscapes.CITYSCAPES), "source": leaves}
    for tree in trees(exercise.notebook):
        imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        exec(compile(ast.Module(imports, []), exercise.notebook.name, "exec"), names)
    return names


@each_notebook
def test_three_exercises_of_three_kinds(path):
    tags: dict[str, set[str]] = {}
    heading = ""
    for cell in nbformat.read(path, as_version=4).cells:
        headings = re.findall(r"^#+ .+$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
        heading = headings[-1] if headings else heading
        kinds = KINDS & set(cell.metadata.get("tags", []))
        if kinds or re.match(r"### Exercise \d", heading):
            assert re.match(r"### Exercise \d+: \S", heading), f"tagged {kinds}, but below the heading {heading}"
            tags.setdefault(heading, set()).update(kinds)
    assert [re.findall(r"\d+", heading)[0] for heading in tags] == [str(i + 1) for i in range(len(tags))], list(tags)
    assert len(tags) >= 3, list(tags)
    assert [heading for heading, kinds in tags.items() if not kinds] == [], "exercises without a tagged cell"
    assert KINDS - set().union(*tags.values()) == set(), "kinds that are missing"


@each_notebook
def test_tagged_cells_are_of_their_kind(path):
    patterns = {
        "exercise-predict": r"exercises\.predict\(",
        "exercise-experiment": r"# change this",
        "exercise-code": r"\.\.\.(.|\n)*exercises\.\w+\.check_\w+\(",
    }
    for cell in cells(path):
        for kind in KINDS & set(cell.metadata.get("tags", [])):
            assert re.search(patterns[kind], cell.source), f"{kind}:\n{cell.source}"
        if re.search(patterns["exercise-code"], cell.source):
            assert "exercise-code" in cell.metadata.get("tags", []), cell.source


@each_notebook
def test_predictions_are_shown_and_compared_with_a_measurement(path):
    asked: list[str] = []
    compared: list[str] = []
    for cell, tree in zip(cells(path), trees(path), strict=True):
        for call in calls(tree, r"\w+\.compare"):
            name = ast.unparse(call.func.value)
            if name in asked:
                compared.append(name)
                assert not isinstance(call.args[0], ast.Constant), f"the value is typed in:\n{cell.source}"
                last = ast.unparse(tree.body[-1])
                shown = last.startswith(f"{name}.compare(") or f"display({name}.compare(" in ast.unparse(tree)
                assert shown, f"compare neither ends the cell nor is displayed:\n{cell.source}"
        for node in tree.body:
            if calls(node, r"exercises\.predict"):
                name = ast.unparse(node.targets[0])
                assert ast.unparse(tree.body[-1]) == name, f"the cell does not end with {name}:\n{cell.source}"
                asked.append(name)
    assert sorted(asked) == sorted(compared)


@each_exercise
def test_stub_fails_and_solution_passes(exercise, names):
    stub = ast.Module(exercise.tree.body[:-1], [])
    assert not exercise.run(stub, names).solved
    result = exercise.run(exercise.solution, names)
    assert result.solved, result


@each_exercise
def test_two_typical_mistakes_get_their_own_hints(exercise, names):
    """checking.check(..., mistakes=[Mistake(wrong function, hint), ...]) recognises them."""
    mistakes = exercise.run(ast.Module(exercise.tree.body[:-1], []), names).mistakes
    assert len({mistake.hint for mistake in mistakes}) >= 2
    for mistake in mistakes:
        names[exercise.name] = mistake.answer
        result = eval(compile(ast.Expression(exercise.tree.body[-1].value), exercise.name, "eval"), names)
        assert not result.solved and mistake.hint in result.message, (mistake.hint, result)


def test_every_solution_belongs_to_a_check():
    for path in NOTEBOOKS:
        solutions = sum("<summary>Solution</summary>" in cell.source for cell in cells(path, "markdown"))
        checks = [exercise.name for exercise in OF_CODE if exercise.notebook == path]
        assert solutions == len(checks), f"{path.name}: {solutions} solutions; {checks}"
