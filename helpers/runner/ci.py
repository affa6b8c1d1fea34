"""The result of a run for CI: JUnit XML and a Markdown summary."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from helpers.runner.plan import Plan
from helpers.runner.run import Outcome
from helpers.runner.status import clock
from helpers.runner.verdicts import Verdict

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(plan: Plan, outcomes: list[Outcome], verdicts: list[Verdict]) -> str:
    """Return JUnit XML with one case per notebook, and one per metric that was compared."""
    root = ElementTree.Element("testsuites", name=f"profile {plan.profile.name}")
    suite = _suite(root, "notebooks")
    done = {outcome.name: outcome for outcome in outcomes}
    for source in plan.sources:
        outcome = done.get(source.stem)
        case = _case(suite, source.stem, outcome.seconds if outcome else 0.0)
        if outcome is None:
            _add(case, "skipped", "not started after a failure")
        elif outcome.error:
            _add(case, "failure", outcome.error)
    suite = _suite(root, "metrics")
    for verdict in verdicts:
        if verdict.expected is not None:
            case = _case(suite, verdict.name)
            if verdict.drifted:
                _add(case, "failure", verdict.text)
    for suite in root:
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(root, "testsuite", name=name)


def _case(suite: ElementTree.Element, name: str, seconds: float = 0.0) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=suite.get("name"), name=name, time=f"{seconds:.1f}")


def _add(case: ElementTree.Element, kind: str, message: str) -> None:
    ElementTree.SubElement(case, kind, message=_NOT_IN_XML.sub("?", message))


def summary(plan: Plan, outcomes: list[Outcome], verdicts: list[Verdict], errors: list[str], machine: str) -> str:
    """Return Markdown: the verdict, the notebooks, and the metrics that drifted."""
    compared = [verdict for verdict in verdicts if verdict.expected is not None]
    drifted = [verdict for verdict in compared if verdict.drifted]
    lines = [f"## Street scenes, profile {plan.profile.name}, seed {plan.seed}, {machine}", ""]
    lines += [headline(errors, compared), ""]
    lines += [f"- {_cell(error)}" for error in errors]
    lines += ["", "| notebook | result |", "|---|---|"] if outcomes else []
    for outcome in outcomes:
        result = "failed" if outcome.error else "kept" if outcome.kept else f"done in {clock(outcome.seconds)}"
        lines.append(f"| {_cell(outcome.name)} | {result} |")
    lines += ["", "| metric that drifted | |", "|---|---|"] if drifted else []
    lines += [f"| `{verdict.name}` | {_cell(verdict.text)} |" for verdict in drifted]
    return "\n".join(lines) + "\n"


def headline(errors: list[str], compared: list[Verdict]) -> str:
    """Return the verdict on a run in one sentence."""
    drifted = sum(verdict.drifted for verdict in compared)
    if errors:
        return f"{len(errors)} failed."
    if not compared:
        return "All notebooks ran; their metrics were not compared with a reference."
    if drifted:
        return f"{drifted} of {len(compared)} metrics drifted from the reference."
    return f"All {len(compared)} metrics agree with the reference."


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
