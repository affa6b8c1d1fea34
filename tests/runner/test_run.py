"""The runner on tiny notebooks; the course's own are run by tests/notebooks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json
from helpers.runner import headless
from helpers.runner import run as runner
from helpers.runner.headless import NotebookFailed

RECORD = 'import json, pathlib\npathlib.Path(OUTPUT_DIR, "metrics.json").write_text(json.dumps({numbers}));'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(source: Path, folder: Path, **settings) -> Path:
    return runner.run("smoke", notebooks=source.parent, output_dir=str(folder), **settings)


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
    assert [path.stem for path in runner.select(tmp_path, only)] == names


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("03", "There is no notebook 03 for ONLY=03: choose from 01, 02."),
        ("01-03", "There is no notebook 03"),
        ("two", "ONLY is written like 04, 02,03 or 02-04, not 'two'."),
        ("02-01", "ONLY is written like"),
        ("01,,02", "ONLY is written like"),
        ("1;2", "ONLY is written like"),
    ],
)
def test_only_tells_what_is_wrong(tmp_path, only, said):
    for name in ("01_a", "02_b"):
        (tmp_path / f"{name}.ipynb").touch()
    with pytest.raises(CourseError, match="^" + said.replace(".", r"\.")):
        runner.select(tmp_path, only)


def test_a_folder_without_notebooks_is_told(tmp_path):
    with pytest.raises(CourseError, match="No notebooks in"):
        runner.select(tmp_path, "")


# --- a run that works ---


def test_run_executes_in_order_and_writes_the_report(write_notebook, folder, capsys):
    write_notebook("02_second", 'print("second", PROFILE, SEED)', RECORD.format(numbers='{"02.x": 1.5}'))
    source = write_notebook("01_first", 'print(f"first of {PROFILE}")')
    assert run(source, folder, seed=7) == folder.resolve()

    second = nbformat.read(folder / "02_second.ipynb", as_version=4)
    printed = [output.text for cell in second.cells for output in cell.get("outputs", [])]
    assert printed == ["second smoke 7\n"]
    page = (folder / "report.html").read_text()
    assert page.index("first of smoke") < page.index("second smoke 7")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "01_first: started" and said[1].startswith("01_first: done in 0:0")
    assert said[2] == "02_second: started" and said[4].startswith("2 notebooks in 0:")
    assert not list(folder.glob("*.partial.ipynb"))


def test_kernel_runs_in_the_notebooks_folder_headless_with_these_helpers(write_notebook, folder):
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


def test_what_libraries_print_is_in_the_notebook_and_not_in_the_terminal(write_notebook, folder, capfd, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # ipykernel leaves file descriptors alone when it sees this
    run(write_notebook("01_first", 'import os, time; os.write(2, b"from C++"); time.sleep(0.5)'), folder)
    assert nbformat.read(folder / "01_first.ipynb", as_version=4).cells[-1].outputs[0].text == "from C++"
    captured = capfd.readouterr()
    assert "from C++" not in captured.out + captured.err


def test_skipped_and_empty_cells_need_not_run(write_notebook, folder):
    source = write_notebook("01_first", "", "raise ValueError", "x = 1")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[3].metadata["tags"] = ["skip-execution"]
    nbformat.write(notebook, source)
    run(source, folder)
    assert (folder / "01_first.ipynb").exists()


def test_a_folder_with_braces_and_spaces_works(write_notebook, tmp_path):
    source = write_notebook("01_first", "x = 1")
    run(source, tmp_path / "out {of} mine")
    assert (tmp_path / "out {of} mine" / "01_first.ipynb").exists()


# --- a run that fails ---


def test_failure_names_notebook_and_cell_keeps_the_partial_and_what_was_there(write_notebook, folder):
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


def test_the_next_run_that_works_removes_the_partial(write_notebook, folder):
    source = write_notebook("01_first", "1 / 0")
    with pytest.raises(NotebookFailed):
        run(source, folder)
    run(write_notebook("01_first", "1 / 1"), folder)
    assert sorted(path.name for path in folder.glob("*.ipynb")) == ["01_first.ipynb"]


@pytest.mark.parametrize("ending", ["raise SystemExit", "raise SystemExit(0)", "import sys; sys.exit(0)"])
def test_a_cell_that_ends_the_kernel_quietly_is_a_failure(write_notebook, folder, ending):
    source = write_notebook("01_first", "x = 1", ending, "x = 2")
    with pytest.raises(NotebookFailed, match="^01_first, cell 4: "):
        run(source, folder)
    assert not (folder / "01_first.ipynb").exists()


def test_system_exit_in_the_last_cell_is_a_failure_too(write_notebook, folder):
    with pytest.raises(NotebookFailed, match="^01_first, cell 3: .*SystemExit"):
        run(write_notebook("01_first", "raise SystemExit(0)"), folder)


def test_a_cell_that_takes_too_long_is_told(write_notebook, folder):
    source = write_notebook("01_first", "x = 1", "import time; time.sleep(60)")
    parameters = {"PROFILE": "smoke"}
    with pytest.raises(NotebookFailed, match=r"^01_first, cell 4: not done after 1 s, the cell_timeout_s"):
        folder.mkdir()
        headless.execute(source, folder / source.name, parameters, cell_timeout_s=1)
    assert (folder / "01_first.partial.ipynb").exists()


def test_a_kernel_that_dies_is_told(write_notebook, folder, capfd):
    source = write_notebook("01_first", "x = 1", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(NotebookFailed, match="^01_first, cell 4: the kernel died"):
        run(source, folder)
    assert capfd.readouterr().err == ""


# --- a call that cannot work ---


def test_undeclared_parameter_is_refused_before_anything_runs(write_notebook, folder):
    source = write_notebook("01_first", "x = 1", parameters='PROFILE = "mini"\nSED = 0\nOUTPUT_DIR = ""')
    with pytest.raises(
        CourseError, match="^01_first.ipynb has no parameter SEED; it declares PROFILE, SED, OUTPUT_DIR.$"
    ):
        run(source, folder)
    assert not folder.exists()


def test_notebook_without_parameters_cell_is_refused(write_notebook, folder):
    source = write_notebook("01_first", "x = 1")
    notebook = nbformat.read(source, as_version=4)
    del notebook.cells[1]
    nbformat.write(notebook, source)
    with pytest.raises(CourseError, match="it declares none: it has no cell tagged `parameters`"):
        run(source, folder)


def test_two_runs_in_one_folder_are_refused(write_notebook, folder):
    source = write_notebook("01_first", "x = 1")
    with runner._alone_in(folder), pytest.raises(CourseError, match="Another run writes to"):
        run(source, folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "maxi"], "There is no profile 'maxi': choose one of smoke, mini, cityscapes."),
        (["--profile", "smoke", "--only", "77"], "There is no notebook 77 for ONLY=77"),
        (["--profile", "smoke", "--seed", "-1"], "SEED must be 0 or more, not -1."),
        (["--profile", "cityscapes", "--data-root", "/no/such/folder"], "No data at /no/such/folder"),
        (["--profile", "smoke", "--check", "--seed", "3"], "The reference run has SEED=0"),
    ],
)
def test_wrong_calls_end_in_one_sentence_and_2(arguments, said, write_notebook, monkeypatch, capsys):
    monkeypatch.setattr(runner, "NOTEBOOK_FOLDER", write_notebook("01_first", "x = 1").parent)
    assert runner.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(said) and error.count("\n") == 1


# --- the command line ---


@pytest.fixture
def project(write_notebook, tmp_path, monkeypatch) -> Path:
    """A project folder with one notebook that records two numbers, and a reference for them."""
    numbers = '{"01.frames.train": 12, "01.miou": 0.41, "01.latency_ms.eager": 9.0}'
    monkeypatch.setattr(runner, "NOTEBOOK_FOLDER", write_notebook("01_first", RECORD.format(numbers=numbers)).parent)
    monkeypatch.setattr(runner, "PROJECT", tmp_path)
    return tmp_path


def main(project: Path, *arguments: str) -> int:
    return runner.main(["--profile", "smoke", "--output-dir", str(project / "out"), *arguments])


def reference(project: Path, entries: dict) -> None:
    write_json(project / "outputs" / "smoke" / "reference.json", entries)


def test_check_passes_within_the_tolerance(project, capsys):
    frames = {"value": 12, "tolerance": 0}
    reference(project, {"01.frames.train": frames, "01.miou": {"value": 0.40, "tolerance": 0.02}})
    assert main(project, "--check") == 0
    assert "01.miou" in capsys.readouterr().out


def test_check_lists_every_drift_and_fails(project, capsys):
    reference(
        project,
        {
            "01.frames.train": {"value": 13, "tolerance": 0},
            "01.miou": {"value": 0.40, "tolerance": 0.005},
            "01.acc": {"value": 0.7, "tolerance": 0.1},
            "02.miou": {"value": 0.4, "tolerance": 0.1},  # of a notebook that did not run
        },
    )
    assert main(project, "--check") == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        "01.frames.train: 12, expected 13 within 0",
        "01.miou: 0.41, expected 0.4 within 0.005",
        "01.acc: missing, expected 0.7",
    ]


def test_without_check_a_drift_is_marked_and_no_failure(project, capsys):
    reference(project, {"01.miou": {"value": 0.2, "tolerance": 0.02}})
    assert main(project) == 0
    assert "* further from the reference than its tolerance" in capsys.readouterr().out


def test_a_number_that_is_none_gives_1(project, write_notebook, capsys):
    write_notebook("01_first", RECORD.format(numbers='{"01.miou": float("nan")}'))
    assert main(project) == 1
    assert "01.miou = nan, which is no finite number" in capsys.readouterr().err


def test_write_reference_is_what_check_compares_with(project, capsys):
    assert main(project, "--write-reference") == 0
    assert read_json(project / "outputs" / "smoke" / "reference.json")["01.miou"] == {"value": 0.41, "tolerance": 0.041}
    assert main(project, "--check") == 0


def test_failing_notebook_gives_1_and_the_line(project, write_notebook, capsys):
    write_notebook("01_first", "1 / 0")
    assert main(project) == 1
    assert capsys.readouterr().err == "01_first, cell 3: ZeroDivisionError: division by zero\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted_run_ends_the_kernel_and_leaves_what_was_there(write_notebook, tmp_path, name):
    marker = tmp_path / "pid"
    source = write_notebook(
        "01_first",
        f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(60)",
    )
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "01_first.ipynb").write_text("the earlier result")
    code = (
        "import sys, pathlib\nfrom helpers.runner import run as runner\n"
        f"runner.NOTEBOOK_FOLDER = pathlib.Path({str(source.parent)!r})\n"
        f"sys.exit(runner.main(['--profile', 'smoke', '--output-dir', {str(folder)!r}]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (marker.exists() and marker.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    kernel = int(marker.read_text())
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "Interrupted: the kernel is shut down, earlier results are as they were.\n"
    assert (folder / "01_first.ipynb").read_text() == "the earlier result"
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_no_complaint_about_the_task_of_an_interrupted_cell(write_notebook, tmp_path, monkeypatch, caplog):
    def interrupted(*_, **__):
        async def cell():
            raise RuntimeError("KeyboardInterrupt in the kernel")

        loop = asyncio.new_event_loop()
        abandoned = loop.create_task(cell())
        loop.run_until_complete(asyncio.wait([abandoned]))
        loop.close()
        raise KeyboardInterrupt  # its traceback keeps the task until it is dealt with

    monkeypatch.setattr("papermill.execute_notebook", interrupted)
    with pytest.raises(KeyboardInterrupt):
        headless.execute(write_notebook("01_first", "x = 1"), tmp_path / "out.ipynb", {}, cell_timeout_s=5)
    gc.collect()
    assert "never retrieved" not in caplog.text
