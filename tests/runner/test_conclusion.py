"""What follows the notebooks: history, JUnit XML, summary."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import pytest

from helpers.common.files import read_json, write_json
from helpers.runner import ci, history
from helpers.runner.conclusion import conclude
from helpers.runner.plan import Plan
from helpers.runner.run import Outcome
from helpers.runner.verdicts import Verdict

MACHINE = "x86-avx2"


@pytest.fixture
def plan(tmp_path) -> Plan:
    """The plan of two notebooks that have run; 01.miou was recorded."""
    sources = tuple(tmp_path / "notebooks" / f"{name}.ipynb" for name in ("01_a", "02_b"))
    folder = tmp_path / "out"
    folder.mkdir()
    for source in sources:
        run = {"papermill": {"duration": 30.0, "start_time": "2026-01-01T00:00:00+00:00"}}
        nbformat.write(nbformat.v4.new_notebook(metadata=run), folder / source.name)
    write_json(folder / "metrics.json", {"01.miou": 0.41, "02.x": 3})
    return Plan(SimpleNamespace(name="smoke"), sources, sources, {}, folder)


DONE = [Outcome("01_a", 30.0), Outcome("02_b", 30.0)]


def test_history_has_a_line_per_complete_run(plan, tmp_path):
    for _ in range(2):
        conclude(plan, DONE, tmp_path / "none.json", machine=MACHINE)
    first, second = (json.loads(line) for line in (plan.folder / history.NAME).read_text().splitlines())
    assert set(first) == {"date", "commit", "profile", "hardware", "seed", "changes", "minutes", "metrics"}
    assert (first["minutes"], first["hardware"], first["metrics"]) == (1.0, MACHINE, {"01.miou": 0.41, "02.x": 3})
    assert history.read(plan) == [first, second]
    assert "<svg" in (plan.folder / "report.html").read_text()


def test_history_skips_damaged_lines_and_other_settings(plan):
    history.append(plan, {"01.miou": 0.4}, MACHINE)
    path = plan.folder / history.NAME
    line = json.loads(path.read_text())
    path.write_text(
        "\n".join([json.dumps({**line, "seed": 1}), "[1]", "{}", json.dumps({**line, "metrics": 3}), path.read_text()])
        + '{"date": "202'
    )
    history.append(plan, {"01.miou": 0.5}, MACHINE)
    assert [run["metrics"]["01.miou"] for run in history.read(plan)] == [0.4, 0.5]


@pytest.mark.parametrize(
    "outcomes",
    [
        DONE[:1],
        [DONE[0], Outcome("02_b", error="02_b, cell 3: no")],
        [Outcome("01_a", kept=True), Outcome("02_b", kept=True)],
    ],
)
def test_history_has_no_line_of_an_incomplete_run(plan, outcomes, tmp_path):
    conclude(plan, outcomes, tmp_path / "none.json", machine=MACHINE)
    assert not (plan.folder / history.NAME).exists()


def test_reference_is_not_written_after_a_failure(plan, tmp_path):
    conclude(plan, [Outcome("01_a", error="no")], tmp_path / "ref.json", machine=MACHINE, write_reference=True)
    assert not (tmp_path / "ref.json").exists()
    conclude(plan, DONE, tmp_path / "ref.json", machine=MACHINE, write_reference=True)
    assert read_json(tmp_path / "ref.json")["01.miou"]["by_hardware"] == {MACHINE: {"0": 0.41}}


def test_other_data_is_not_compared_with_the_reference(plan, tmp_path, capsys):
    other = Plan(plan.profile, plan.available, plan.sources, {}, plan.folder, changes=("DATA_ROOT",))
    write_json(tmp_path / "ref.json", {"01.miou": {"value": 0.1, "tolerance": 0.0}})
    assert conclude(other, DONE, tmp_path / "ref.json", machine=MACHINE).drifts == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["metric", "this", "run"]
    assert "not compared with the reference, which has other DATA_ROOT" in lines
    assert conclude(plan, DONE, tmp_path / "ref.json", machine=MACHINE).drifts == [
        "01.miou: 0.41, expected 0.1 within 0"
    ]


VERDICTS = [
    Verdict("01.frames", 12, 12, "within 0"),
    Verdict("01.miou", 0.41, 0.1, "0.41, expected 0.1 within 0.02", drifted=True),
    Verdict("01.new", 1.0, None, ""),
]


def test_junit_has_a_case_per_notebook_and_per_metric(plan):
    failed = Outcome("01_a", 2.5, error='01_a, cell 3: ValueError: "a" < \x1b b')
    root = ElementTree.fromstring(ci.junit(plan, [failed], VERDICTS).encode())
    notebooks, metrics = root
    assert notebooks.attrib == {"name": "notebooks", "tests": "2", "failures": "1", "skipped": "1"}
    assert metrics.attrib == {"name": "metrics", "tests": "2", "failures": "1", "skipped": "0"}
    assert [case.get("name") for case in root.iter("testcase")] == ["01_a", "02_b", "01.frames", "01.miou"]
    messages = [failure.get("message") for failure in root.iter("failure")]
    assert messages == ['01_a, cell 3: ValueError: "a" < ? b', "0.41, expected 0.1 within 0.02"]


def test_summary_starts_with_the_verdict(plan):
    lines = ci.summary(plan, DONE, VERDICTS, [], MACHINE).splitlines()
    assert lines[0] == "## Street scenes, profile smoke, seed 0, x86-avx2"
    assert lines[2] == "1 of 2 metrics drifted from the reference."
    assert "| 01_a | done in 0:30 |" in lines
    assert lines[-1] == "| `01.miou` | 0.41, expected 0.1 within 0.02 |"


def test_files_for_ci_are_written_and_githubs_is_appended_to(plan, tmp_path):
    github = tmp_path / "github.md"
    github.write_text("before\n")
    none = tmp_path / "none.json"
    conclude(plan, DONE, none, machine=MACHINE, junit=str(tmp_path / "ci" / "j.xml"), github=str(github))
    assert github.read_text().startswith("before\n## Street scenes")
    assert ElementTree.parse(tmp_path / "ci" / "j.xml").getroot().tag == "testsuites"
    conclude(plan, DONE, none, machine=MACHINE, summary=str(tmp_path / "own.md"), github=str(github))
    assert github.read_text().count("##") == 1
    assert Path(tmp_path / "own.md").read_text().startswith("## Street scenes")
