"""What every notebook in git keeps to; CONTRIBUTING.md lists it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from helpers.runner.rendering import to_mathml

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [
    "00_play",
    "01_explore_cityscapes",
    "02_train_hrnet_uhrnet",
    "03_evaluate",
    "04_prune_fastscnn",
    "05_deploy",
    "06_your_own_data",
]
PARAMETERS = {"PROFILE": "mini", "SEED": 0, "DEVICE": "auto", "DATA_ROOT": "", "OUTPUT_DIR": ""}
LONGEST_CELL = 20


@pytest.fixture(params=NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_all_notebooks_exist():
    assert [path.stem for path in NOTEBOOKS] == NAMES


def test_format_and_kernel(notebook):
    nbformat.validate(notebook, relax_add_props=False)
    assert (notebook.nbformat, notebook.nbformat_minor >= 5) == (4, True)
    identifiers = [cell.id for cell in notebook.cells]
    assert len(identifiers) == len(set(identifiers))
    assert notebook.metadata.kernelspec.name == "python3"


def test_nothing_of_a_run_is_kept(notebook):
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "jupyter"}, cell.source
        assert not cell.get("attachments"), cell.source
    for cell in code(notebook):
        assert cell.outputs == [] and cell.execution_count is None, cell.source


def test_one_parameters_cell_with_plain_literals(notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1 and tagged[0] is code(notebook)[0]
    found = {}
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.Assign) and len(statement.targets) == 1
        found[statement.targets[0].id] = ast.literal_eval(statement.value)
    assert found == PARAMETERS


def test_every_parameter_is_used(notebook):
    after = "\n".join(cell.source for cell in code(notebook)[1:])
    assert [name for name in PARAMETERS if not re.search(rf"\b{name}\b", after)] == []


def test_cells_are_short_and_not_empty(notebook):
    for cell in notebook.cells:
        assert cell.source.strip()
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source


def test_opens_with_a_title_and_what_it_reads_and_writes(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    opening = first.source.lower()
    assert all(word in opening for word in ("be able to", "reads", "writes", "smoke", "mini")), opening


def test_ends_with_recap_next_steps_and_sources(notebook):
    text = "\n".join(prose(notebook))
    headings = re.findall(r"^#{2,} +(.+)$", text, re.MULTILINE)
    assert [name for name in headings if name in ("Recap", "Sources")] == ["Recap", "Sources"]
    assert headings[-1] == "Sources" and headings.index("Recap") >= len(headings) - 3
    assert re.search(r"try next", text.split("Recap")[-1], re.IGNORECASE)
    assert "https://" in text.split("Sources")[-1] or "doi" in text.split("Sources")[-1]


def test_helpers_are_imported_before_paddle(notebook):
    """Importing helpers sets the environment that Paddle reads when it is imported."""
    source = "\n".join(cell.source for cell in code(notebook))
    ours, paddle = (re.search(rf"^(?:import|from) {name}", source, re.MULTILINE) for name in ("helpers", "paddle"))
    assert paddle is None or ours.start() < paddle.start()


def test_records_once(notebook):
    calls = [
        node
        for cell in code(notebook)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "record"
    ]
    assert len(calls) == 1


def test_no_paths_of_one_machine_no_shell_no_switch_on_the_profile(notebook):
    for cell in notebook.cells:
        assert not re.search(r"(?<![\w.:/])/(home|root|tmp|work|Users|mnt|data)/|[A-Z]:\\", cell.source), cell.source
    for cell in code(notebook):
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE), cell.source
        assert "sys.path" not in cell.source  # the environment has helpers
        assert not re.search(r"\bif\b.*\b(smoke|mini)\b", cell.source), cell.source


def test_pictures_are_not_fetched_from_elsewhere(notebook):
    for text in prose(notebook):
        assert not re.search(r"!\[[^]]*\]\(https?:|<(img|iframe|script)\b[^>]*https?:", text), text


def test_links_between_notebooks_lead_somewhere(notebook):
    for name in re.findall(r"\]\(([\w./-]+\.ipynb)", "\n".join(prose(notebook))):
        assert (FOLDER / name).is_file(), name


def test_formulas_can_be_read_in_the_report(notebook):
    for text in prose(notebook):
        text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
        for formula in re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL) + re.findall(
            r"(?<![\\$])\$([^$\n]+)\$(?!\$)", text
        ):
            shown = to_mathml(formula, display="inline")
            assert shown.startswith("<math") and "\\" not in shown, formula


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_stored_line_by_line_as_nbformat_writes(path):
    """A change of one line is then one line of a diff."""
    assert path.read_text(encoding="utf-8") == nbformat.writes(nbformat.read(path, as_version=4)) + "\n"
