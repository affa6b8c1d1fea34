"""The command line of the runner: messages and exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.common.files import PROJECT, read_json, write_json
from helpers.runner import __main__ as command

NUMBERS = '{"01.frames.train": 12, "01.miou": 0.41, "01.latency_ms.eager": 9.0}'
RECORD = 'import json, pathlib\npathlib.Path(OUTPUT_DIR, "metrics.json").write_text(json.dumps({numbers}))'


@pytest.fixture
def project(write_notebook, tmp_path) -> Path:
    """A project folder with one notebook that records three metrics."""
    write_notebook("01_first", RECORD.format(numbers=NUMBERS))
    return tmp_path


def main(project: Path, *arguments: str) -> int:
    return command.main(["--profile", "smoke", "--output-dir", str(project / "out"), *arguments], project)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "maxi"], "'maxi'"),
        (["--profile", "smoke", "--only", "77"], "Notebook 77 of ONLY=77 does not exist"),
        (["--profile", "smoke", "--seed", "-1"], "SEED must be at least 0, got -1."),
        (["--profile", "cityscapes", "--data-root", "/no/such/folder"], "/no/such/folder"),
        (["--profile", "smoke", "--check", "--seed", "3"], "The reference run uses SEED=0"),
        (["--profile", "smoke", "--language", "fr"], "Expected LANGUAGE to be en or zh, got 'fr'"),
    ],
)
def test_invalid_arguments_end_with_one_sentence_and_exit_code_2(arguments, message, project, capsys):
    assert command.main(arguments, project) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_language_chooses_the_notebooks_and_the_report(project):
    assert main(project, "--language", "zh", "--dry-run") == 0
    assert not (project / "notebooks-zh").exists()
    assert main(project, "--language", "zh") == 0
    page = (project / "out" / "report.html").read_text(encoding="utf-8")
    assert '<html lang="zh">' in page and "隐藏代码" in page
    assert (project / "notebooks-zh" / "01_first.ipynb").is_file()


def reference(project: Path, entries: dict) -> None:
    write_json(project / "outputs" / "smoke" / "reference.json", entries)


def test_check_passes_within_the_tolerance(project, capsys):
    frames = {"value": 12, "tolerance": 0}
    reference(project, {"01.frames.train": frames, "01.miou": {"value": 0.40, "tolerance": 0.02}})
    assert main(project, "--check") == 0
    assert "01.miou" in capsys.readouterr().out


def test_check_lists_every_difference_and_fails(project, capsys):
    reference(
        project,
        {
            "01.frames.train": {"value": 13, "tolerance": 0},
            "01.miou": {"value": 0.40, "tolerance": 0.005},
            "01.acc": {"value": 0.7, "tolerance": 0.1},
            "02.miou": {"value": 0.4, "tolerance": 0.1},  # of a notebook that did not run
        },
    )
    assert main(project, "--check") == 3
    assert capsys.readouterr().err.splitlines()[1:] == [
        "01.acc: missing, expected 0.7",
        "01.frames.train: 12, expected 13 within 0",
        "01.miou: 0.41, expected 0.4 within 0.005",
    ]


def test_check_compares_other_seeds_with_the_spread_of_several(project, capsys):
    one, several = {"x86-avx2": {"0": 0.39}}, {"x86-avx2": {"0": 0.39, "1": 0.42}}
    reference(project, {"01.miou": {"value": 0.39, "tolerance": 0.001, "by_hardware": one}})
    assert main(project, "--seed", "7") == 0
    assert "not compared with the reference, which has other SEED\n" in capsys.readouterr().out
    assert main(project, "--check", "--seed", "7") == 2
    assert capsys.readouterr().err.endswith("profile: omit SEED with CHECK.\n")
    reference(project, {"01.miou": {"value": 0.39, "tolerance": 0.001, "by_hardware": several}})
    assert main(project, "--check", "--seed", "7") == 0
    assert "not compared" not in capsys.readouterr().out


def test_without_check_a_difference_is_only_marked(project, capsys):
    reference(project, {"01.miou": {"value": 0.2, "tolerance": 0.02}})
    assert main(project) == 0
    assert "* differs from the reference by more than its tolerance" in capsys.readouterr().out


def test_metric_that_is_not_finite_gives_exit_code_1(project, write_notebook, capsys):
    write_notebook("01_first", RECORD.format(numbers='{"01.miou": float("nan")}'))
    assert main(project) == 1
    assert "Expected a finite number for 01.miou" in capsys.readouterr().err


def test_check_compares_with_the_written_reference(project, capsys):
    assert main(project, "--write-reference") == 0
    assert read_json(project / "outputs" / "smoke" / "reference.json")["01.miou"]["value"] == 0.41
    assert main(project, "--check") == 0


def test_failing_notebook_gives_exit_code_1_and_its_message(project, write_notebook, capsys):
    write_notebook("01_first", "1 / 0")
    assert main(project) == 1
    assert capsys.readouterr().err == "01_first, cell 3: ZeroDivisionError: division by zero\n"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import sys; sys.exit(0)", "01_first, cell 3: SystemExit: a cell must not end the kernel"),
        ("import os; os.kill(os.getpid(), 9)", "01_first, cell 3: the kernel died, perhaps out of memory"),
        (
            'import pathlib; pathlib.Path(OUTPUT_DIR, "metrics.json").write_text(\'{"01.a": 1, "01.b\')',
            "Expected JSON in {folder}/metrics.json, got a damaged file",
        ),
    ],
    ids=["exit", "kernel killed", "half-written metrics"],
)
def test_faults_of_a_notebook_give_exit_code_1_and_one_sentence(source, sentence, project, write_notebook, capsys):
    write_notebook("01_first", source)
    assert main(project, "--check") == 1
    error = capsys.readouterr().err
    assert error.startswith(sentence.format(folder=project / "out")) and error.count("\n") == 1


def test_damaged_reference_gives_exit_code_2(project, capsys):
    reference(project, {"01.miou": 0.4})
    assert main(project, "--check") == 2
    error = capsys.readouterr().err
    assert "Expected a value and a tolerance of 01.miou in" in error and error.count("\n") == 1


def test_output_folder_that_cannot_be_written(project, capsys):
    assert command.main(["--profile", "smoke", "--output-dir", "/proc/out"], project) == 2
    error = capsys.readouterr().err
    assert "/proc/out" in error and error.count("\n") == 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted_run_stops_the_kernel_and_keeps_earlier_results(write_notebook, tmp_path, name):
    marker = tmp_path / "pid"
    write_notebook(
        "01_first",
        f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(60)",
    )
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "01_first.ipynb").write_text("the earlier result")
    code = (
        "import signal, sys, pathlib\nfrom helpers.runner.__main__ import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored if the tests run in the background
        f"sys.exit(main(['--profile', 'smoke', '--output-dir', {str(folder)!r}], pathlib.Path({str(tmp_path)!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (marker.exists() and marker.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    kernel = int(marker.read_text())
    process.send_signal(getattr(signal, name))
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert message == "Interrupted: the kernel was shut down, earlier results are unchanged.\n"
    assert (folder / "01_first.ipynb").read_text() == "the earlier result"
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)
