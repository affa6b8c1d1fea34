"""Execute the notebooks of a plan in order."""

from __future__ import annotations

import time
from dataclasses import dataclass

from helpers.runner.headless import NotebookFailed, execute
from helpers.runner.plan import Plan
from helpers.runner.status import clock


@dataclass(frozen=True)
class Outcome:
    """Result of one notebook: `error` is its sentence if it failed; `kept` if an earlier complete run was kept."""

    name: str
    seconds: float = 0.0
    error: str = ""
    kept: bool = False


def run(plan: Plan, *, keep_going: bool = False, resume: bool = False) -> list[Outcome]:
    """Execute the notebooks of `plan` and return their outcomes, up to the first failure or, to `keep_going`, all.

    An earlier result is replaced only by a complete new one; the output of a failed notebook is kept as
    `<notebook>.partial.ipynb`. To `resume` starts at the first notebook that is not whole (`Plan.is_whole`).
    """
    sources = plan.missing() if resume else plan.sources
    outcomes = [Outcome(source.stem, kept=True) for source in plan.sources if source not in sources]
    for outcome in outcomes:
        print(f"{outcome.name}: complete, kept")
    plan.folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for source in sources:
        begun, error = time.monotonic(), ""
        try:
            parameters = plan.parameters[source.name]
            execute(source, plan.target(source), parameters, cell_timeout_s=plan.profile.cell_timeout_s)
        except NotebookFailed as failure:
            error = str(failure)
        outcomes.append(Outcome(source.stem, time.monotonic() - begun, error))
        if error and not keep_going:
            break
    if len(sources) > 1 and not any(outcome.error for outcome in outcomes):
        print(f"{len(sources)} notebooks in {clock(time.monotonic() - started)}")
    return outcomes
