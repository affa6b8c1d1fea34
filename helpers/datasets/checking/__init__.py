"""Check a data set of any classes, sizes and names, and say for each problem which file it is and what to do.

`python -m helpers.datasets check FOLDER` prints what `check(FOLDER)` returns.
"""

from helpers.datasets.checking.command import add_command
from helpers.datasets.checking.findings import KINDS, Finding
from helpers.datasets.checking.report import Report
from helpers.datasets.checking.run import check

__all__ = ["KINDS", "Finding", "Report", "add_command", "check"]
