"""The runner on tiny notebooks; tests/notebooks runs those of the course."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from pathlib import Path

import nbformat
import pytest
from tiny_cityscapes import write_set

from helpers import notebook
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.runner import headless, report
from helpers.runner import run as runner
from helpers.runner.headless import NotebookFailed
from helpers.runner.plan import make_plan, select


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(source: Path, folder: Path, **settings) -> Path:
    """Execute the notebooks next to `source`, raise the first failure, else build the report."""
    plan = make_plan("smoke", notebooks=source.parent, output_dir=str(folder), **settings)
    for outcome in runner.run(plan):
        if outcome.error:
            raise NotebookFailed(outcome.error)
    report.build(plan.folder, [plan.target(path) for path in plan.available], profile="smoke")
    return plan.folder


# --- which notebooks ---


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ("", ["01_a", "02_b", "04_d"]),
        ("04", ["04_d"]),
        ("4", ["04_d"]),
        ("04,01", ["01_a", "04_d"]),
        ("01-02", ["01_a", "02_b"]),
        (" 1 - 2 , 04, 1", ["01_a", "02_b", "04_d"]),
    ],
)
def test_only_selects_in_order(tmp_path, only, names):
    for name in ("04_d", "01_a", "02_b", "notes"):
        (tmp_path / f"{name}.ipynb").touch()
    assert [path.stem for path in select(tmp_path, only)] == names


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("03", "Notebook 03 of ONLY=03 does not exist: choose from 01, 02."),
        ("01-03", "Notebook 03 of ONLY=01-03"),
        ("two", "Expected ONLY like 04, 02,03 or 02-04, got 'two'."),
        ("02-01", "Expected ONLY like"),
        ("01,,02", "Expected ONLY like"),
        ("1;2", "Expected ONLY like"),
    ],
)
def test_invalid_only_is_reported(tmp_path, only, message):
    for name in ("01_a", "02_b"):
        (tmp_path / f"{name}.ipynb").touch()
    with pytest.raises(CourseError, match="^" + message.replace(".", r"\.")):
        select(tmp_path, only)


def test_folder_without_notebooks_is_reported(tmp_path):
    with pytest.raises(CourseError, match="found none"):
        select(tmp_path, "")


# --- a run that succeeds ---


def test_run_executes_in_order_and_writes_the_report(write_notebook, folder, capsys):
    write_notebook("02_second", 'print("second", PROFILE, SEED)')
    source = write_notebook("01_first", 'print(f"first of {PROFILE}")')
    assert run(source, folder, seed=7) == folder.resolve()

    second = nbformat.read(folder / "02_second.ipynb", as_version=4)
    printed = [output.text for cell in second.cells for output in cell.get("outputs", [])]
    assert printed == ["second smoke 7\n"]
    page = (folder / "report.html").read_text()
    assert page.index("first of smoke") < page.index("second smoke 7")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "01_first: started" and lines[1].startswith("01_first: done in 0:0")
    assert lines[2] == "02_second: started" and lines[4].startswith("2 notebooks in 0:")
    assert not list(folder.glob("*.partial.ipynb"))


def test_kernel_runs_headless_in_the_notebooks_folder_with_these_helpers(write_notebook, folder):
    source = write_notebook(
        "01_first",
        "import os, sys, helpers\nfrom pathlib import Path",
        "print(Path.cwd().name, os.environ['COURSE_HEADLESS'], os.environ['MPLBACKEND'].split('.')[-1])",
        "print(sys.executable)\nprint(helpers.__file__)",
    )
    run(source, folder)
    cells = nbformat.read(folder / "01_first.ipynb", as_version=4).cells
    assert cells[-2].outputs[0].text == "notebooks 1 backend_inline\n"
    assert cells[-1].outputs[0].text.split("\n")[:2] == [sys.executable, str(PROJECT / "helpers/__init__.py")]
    assert "COURSE_HEADLESS" not in os.environ


def test_output_of_libraries_is_in_the_notebook_and_not_in_the_terminal(write_notebook, folder, capfd, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # ipykernel leaves file descriptors alone when it sees this
    run(write_notebook("01_first", 'import os, time; os.write(2, b"from C++"); time.sleep(0.5)'), folder)
    assert nbformat.read(folder / "01_first.ipynb", as_version=4).cells[-1].outputs[0].text == "from C++"
    captured = capfd.readouterr()
    assert "from C++" not in captured.out + captured.err


def test_skipped_and_empty_cells_are_not_required_to_run(write_notebook, folder):
    source = write_notebook("01_first", "", "raise ValueError", "x = 1")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[3].metadata["tags"] = ["skip-execution"]
    nbformat.write(notebook, source)
    run(source, folder)
    assert (folder / "01_first.ipynb").exists()


def test_other_data_has_an_output_folder_of_its_own(write_notebook, tmp_path, monkeypatch):
    data = write_set(tmp_path / "streets")
    parameters = 'PROFILE = "mini"\nSEED = 0\nDATA_ROOT = ""\nOUTPUT_DIR = ""'
    source = write_notebook("01_one", "print(DATA_ROOT, repr(OUTPUT_DIR))", parameters=parameters)
    monkeypatch.setattr(notebook, "PROJECT", tmp_path)
    plan = make_plan("smoke", notebooks=source.parent, data_root=str(data))
    assert plan.changes == ("DATA_ROOT",) and not runner.run(plan)[0].error
    folder = plan.folder
    assert folder == tmp_path / "outputs" / "smoke-streets"
    cells = nbformat.read(folder / "01_one.ipynb", as_version=4).cells
    assert cells[-1].outputs[0].text == f"{data.resolve()} ''\n"  # `Notebook` chooses the same folder
    with pytest.raises(CourseError, match="No data at"):
        make_plan("smoke", notebooks=source.parent, data_root=str(tmp_path / "nowhere"))


def test_a_folder_with_braces_and_spaces_works(write_notebook, tmp_path):
    source = write_notebook("01_first", "x = 1")
    run(source, tmp_path / "out {of} mine")
    assert (tmp_path / "out {of} mine" / "01_first.ipynb").exists()


# --- a run that fails ---


def test_failure_names_the_cell_and_keeps_partial_and_earlier_results(write_notebook, folder):
    source = write_notebook("04_prune", "x = 1", 'raise ValueError("19 classes expected\\nsecond line")', "x = 2")
    folder.mkdir()
    (folder / "04_prune.ipynb").write_text("the earlier result")
    with pytest.raises(NotebookFailed) as failure:
        run(source, folder)
    # In [1] parameters, In [2] injected, In [3] x = 1
    assert str(failure.value) == "04_prune, cell 4: ValueError: 19 classes expected"
    assert (folder / "04_prune.ipynb").read_text() == "the earlier result"
    partial = nbformat.read(folder / "04_prune.partial.ipynb", as_version=4)
    counts = [cell.execution_count for cell in partial.cells if cell.cell_type == "code"]
    assert counts == [1, 2, 3, 4, None]
    assert not (folder / "report.html").exists()


def test_later_notebooks_do_not_start_after_a_failure(write_notebook, folder):
    write_notebook("02_second", "x = 1")
    source = write_notebook("01_first", "1 / 0")
    with pytest.raises(NotebookFailed, match="^01_first, cell 3: ZeroDivisionError: division by zero$"):
        run(source, folder)
    assert not (folder / "02_second.ipynb").exists()


def test_next_successful_run_removes_the_partial(write_notebook, folder):
    source = write_notebook("01_first", "1 / 0")
    with pytest.raises(NotebookFailed):
        run(source, folder)
    run(write_notebook("01_first", "1 / 1"), folder)
    assert sorted(path.name for path in folder.glob("*.ipynb")) == ["01_first.ipynb"]


@pytest.mark.parametrize("ending", ["raise SystemExit", "raise SystemExit(0)", "import sys; sys.exit(0)"])
def test_cell_that_ends_the_kernel_quietly_is_a_failure(write_notebook, folder, ending):
    source = write_notebook("01_first", "x = 1", ending, "x = 2")
    with pytest.raises(NotebookFailed, match="^01_first, cell 4: "):
        run(source, folder)
    assert not (folder / "01_first.ipynb").exists()


def test_system_exit_in_the_last_cell_is_a_failure(write_notebook, folder):
    with pytest.raises(NotebookFailed, match="^01_first, cell 3: .*SystemExit"):
        run(write_notebook("01_first", "raise SystemExit(0)"), folder)


def test_cell_timeout_is_reported(write_notebook, folder):
    source = write_notebook("01_first", "x = 1", "import time; time.sleep(60)")
    parameters = {"PROFILE": "smoke"}
    with pytest.raises(NotebookFailed, match=r"^01_first, cell 4: timed out after 1 s: raise cell_timeout_s"):
        folder.mkdir()
        headless.execute(source, folder / source.name, parameters, cell_timeout_s=1)
    assert (folder / "01_first.partial.ipynb").exists()


def test_dead_kernel_is_reported(write_notebook, folder, capfd):
    source = write_notebook("01_first", "x = 1", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(NotebookFailed, match="^01_first, cell 4: the kernel died"):
        run(source, folder)
    assert capfd.readouterr().err == ""


# --- invalid arguments ---


def test_undeclared_parameter_is_rejected_before_the_run(write_notebook, folder):
    source = write_notebook("01_first", "x = 1", parameters='PROFILE = "mini"\nSED = 0\nOUTPUT_DIR = ""')
    with pytest.raises(
        CourseError, match="^01_first.ipynb does not declare the parameter SEED; it declares PROFILE, SED, OUTPUT_DIR.$"
    ):
        run(source, folder)
    assert not folder.exists()


def test_notebook_without_parameters_cell_is_rejected(write_notebook, folder):
    source = write_notebook("01_first", "x = 1")
    notebook = nbformat.read(source, as_version=4)
    del notebook.cells[1]
    nbformat.write(notebook, source)
    with pytest.raises(CourseError, match="it declares none: it has no cell tagged `parameters`"):
        run(source, folder)


def test_interrupted_cell_logs_no_abandoned_task(write_notebook, tmp_path, monkeypatch, caplog):
    def interrupted(*_, **__):
        async def cell():
            raise RuntimeError("KeyboardInterrupt in the kernel")

        loop = asyncio.new_event_loop()
        abandoned = loop.create_task(cell())
        loop.run_until_complete(asyncio.wait([abandoned]))
        loop.close()
        raise KeyboardInterrupt  # its traceback keeps the task alive until it is handled

    monkeypatch.setattr("papermill.execute_notebook", interrupted)
    with pytest.raises(KeyboardInterrupt):
        headless.execute(write_notebook("01_first", "x = 1"), tmp_path / "out.ipynb", {}, cell_timeout_s=5)
    gc.collect()
    assert "never retrieved" not in caplog.text
