"""What a run executes: options, parameters, and which results are complete."""

from __future__ import annotations

import nbformat
import pytest

from helpers.common.errors import CourseError
from helpers.notebook import NOTEBOOKS
from helpers.runner import run as runner
from helpers.runner.plan import NOTEBOOK_FOLDER, make_plan, parse_value, select

PARAMETERS = 'PROFILE = "mini"\nSEED = 0\nOUTPUT_DIR = ""\n'


@pytest.fixture
def plan(write_notebook, tmp_path):
    """plan(**settings) -> the plan of notebooks 01, 02 and 03; the second declares STEPS."""
    write_notebook("01_first", "x = 1")
    write_notebook("02_second", "print(STEPS)", parameters=PARAMETERS + "STEPS = 5")
    source = write_notebook("03_third", "x = 3")

    def plan(**settings):
        return make_plan("smoke", notebooks=source.parent, output_dir=str(tmp_path / "out"), **settings)

    return plan


@pytest.mark.parametrize(
    ("only", "first", "names"),
    [("", "03", ["03_c", "04_d"]), ("", "3", ["03_c", "04_d"]), ("01-03", "02", ["02_b", "03_c"]), ("", " ", None)],
)
def test_from_is_the_first_notebook(only, first, names, tmp_path):
    everything = ["01_a", "02_b", "03_c", "04_d"]
    for name in everything:
        (tmp_path / f"{name}.ipynb").touch()
    assert [path.stem for path in select(tmp_path, only, first)] == (names or everything)


@pytest.mark.parametrize(
    ("only", "first", "message"),
    [
        ("", "07", "Expected FROM to be one of 01, 02, got '07'."),
        ("", "two", "Expected FROM to be one of 01, 02, got 'two'."),
        ("01", "02", "ONLY=01 and FROM=02 leave no notebook: omit one of them."),
    ],
)
def test_from_that_leaves_nothing_is_reported(only, first, message, tmp_path):
    for name in ("01_a", "02_b"):
        (tmp_path / f"{name}.ipynb").touch()
    with pytest.raises(CourseError, match=f"^{message}$"):
        select(tmp_path, only, first)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("True", True),
        ("[1, 2]", [1, 2]),
        ("None", None),
        ("gpu:0", "gpu:0"),
        ("", ""),
        ("(", "("),
        ("(1, 2)", "(1, 2)"),
        ("{1}", "{1}"),
    ],
)
def test_values_are_python_literals_or_text(text, value):
    assert parse_value(text) == value and type(parse_value(text)) is type(value)


def test_the_course_has_the_notebooks_that_error_messages_name():
    assert [path.stem for path in select(NOTEBOOK_FOLDER, "")] == list(NOTEBOOKS.values())
    assert len(NOTEBOOKS) == 7


def test_parameter_reaches_the_notebooks_that_declare_it(plan):
    made = plan(extra={"STEPS": 7})
    assert [made.parameters[source.name].get("STEPS") for source in made.sources] == [None, 7, None]
    assert made.changes == ("STEPS",)  # such numbers are not those of the profile
    runner.run(plan(extra={"STEPS": 7}, only="02"))
    assert nbformat.read(made.folder / "02_second.ipynb", 4).cells[-1].outputs[0].text == "7\n"


def test_unknown_parameter_is_reported(plan):
    sentence = "Expected a parameter of a notebook after -p, got STEP: choose from PROFILE, SEED, OUTPUT_DIR, STEPS."
    with pytest.raises(CourseError, match=f"^{sentence}$"):
        plan(extra={"STEP": 7})


def test_resume_starts_at_the_first_notebook_that_is_not_complete(plan, write_notebook, capsys):
    write_notebook("02_second", "1 / 0")
    outcomes = runner.run(plan())
    assert [(outcome.name, bool(outcome.error)) for outcome in outcomes] == [("01_first", False), ("02_second", True)]
    write_notebook("02_second", "x = 2")
    outcomes = runner.run(plan(), resume=True)
    assert [(outcome.name, outcome.kept) for outcome in outcomes] == [
        ("01_first", True),
        ("02_second", False),
        ("03_third", False),
    ]
    assert plan().missing() == ()
    assert all(outcome.kept for outcome in runner.run(plan(), resume=True))
    assert capsys.readouterr().out.splitlines()[-1] == "03_third: complete, kept"

    # complete means: the same parameters, the same source, an undamaged file
    assert len(plan(seed=1).missing()) == 3
    target = plan().folder / "02_second.ipynb"
    content = target.read_bytes()
    target.write_bytes(content[:-100])
    assert [source.stem for source in plan().missing()] == ["02_second", "03_third"]
    target.write_bytes(content)
    write_notebook("03_third", "x = 4")
    assert [source.stem for source in plan().missing()] == ["03_third"]


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"metadata": {"course": 1, "papermill": []}}'])
def test_other_files_are_not_complete(content, plan):
    made = plan()
    made.folder.mkdir()
    made.target(made.sources[0]).write_text(content)
    assert not made.is_whole(made.sources[0])


def test_keep_going_executes_the_other_notebooks(plan, write_notebook):
    write_notebook("01_first", "1 / 0")
    outcomes = runner.run(plan(), keep_going=True)
    assert [outcome.error for outcome in outcomes] == ["01_first, cell 3: ZeroDivisionError: division by zero", "", ""]


def test_description_names_what_would_be_replaced(plan):
    made = plan(only="01-02")
    made.folder.mkdir()
    (made.folder / "01_first.ipynb").touch()
    (made.folder / "report.html").touch()
    assert made.describe(made.sources[:1]).splitlines() == [
        f"output folder: {made.folder}",
        f"01_first: PROFILE='smoke', SEED=0, OUTPUT_DIR='{made.folder}', replaces its result",
        "02_second: complete, kept",
        "replaces report.html",
    ]
