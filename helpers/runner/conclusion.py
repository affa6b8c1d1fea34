"""What follows the notebooks of a run: compare its metrics, write the history, the report and the files for CI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.common.files import write_text
from helpers.runner import ci, history, reference, report, verdicts
from helpers.runner.plan import Plan
from helpers.runner.reference import Expected
from helpers.runner.run import Outcome
from helpers.runner.verdicts import Verdict


@dataclass(frozen=True)
class Conclusion:
    """Sentences about failures, and about metrics outside the spread of the reference."""

    errors: list[str]
    drifts: list[str]


def conclude(
    plan: Plan,
    outcomes: list[Outcome],
    path: Path,
    *,
    machine: str,
    write_reference: bool = False,
    junit: str = "",
    summary: str = "",
    github: str = "",
) -> Conclusion:
    """Compare the metrics of the notebooks that ran, print them, and write what describes the run.

    Parameters
    ----------
    plan : Plan
        What was to run.
    outcomes : list of Outcome
        What did.
    path : Path
        The reference.
    machine : str
        Key of the hardware of this run, as `hardware.key` returns it.
    write_reference : bool, default False
        Add the metrics to the reference, if no notebook failed.
    junit, summary, github : str, optional
        Files to write as JUnit XML and Markdown, and a Markdown file to append to.
    """
    errors = [outcome.error for outcome in outcomes if outcome.error]
    ran = [outcome.name[:2] for outcome in outcomes if not outcome.error]
    judged: list[Verdict] = []
    try:
        metrics = reference.read_metrics(plan.folder / "metrics.json", ran)
        if write_reference and not errors:
            reference.write(path, metrics, machine, plan.seed)
            print(f"reference: {path}")
        expected = reference.read(path, ran)
        changes = differences(plan, expected)
        judged = verdicts.judge(metrics, {} if changes else expected, machine, plan.seed)
        print(verdicts.table(judged))
        if changes and expected:
            print(f"not compared with the reference, which has other {', '.join(changes)}")
    except CourseError as error:
        errors.append(str(error))
    else:
        if not errors and len(outcomes) == len(plan.available) and not all(outcome.kept for outcome in outcomes):
            history.append(plan, metrics, machine)
    if junit:
        write_text(Path(junit).expanduser(), ci.junit(plan, outcomes, judged))
    text = ci.summary(plan, outcomes, judged, errors, machine)
    if summary:
        write_text(Path(summary).expanduser(), text)
    elif github:
        with Path(github).open("a", encoding="utf-8") as file:
            file.write(text)
    executed = [plan.target(source) for source in plan.available]
    try:
        page = report.build(
            plan.folder,
            executed,
            profile=plan.profile.name,
            language=plan.language,
            verdicts=judged,
            errors=errors,
            runs=history.read(plan),
        )
        print(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB)")
    except CourseError as error:
        if not errors:  # a failure of this run matters more than the damaged notebook of an earlier one
            errors.append(str(error))
    return Conclusion(errors, verdicts.drifts(judged))


def differences(plan: Plan, expected: Expected) -> list[str]:
    """Return the settings that keep the metrics of a run from being compared with the reference, such as "SEED"."""
    return [name for name in plan.changes if name != "SEED" or not verdicts.has_seed(expected, plan.seed)]
