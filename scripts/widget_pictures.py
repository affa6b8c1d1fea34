"""Draw docs/widget_*.png, the pictures of the demos in the README: run all notebooks in JupyterLab and photograph them.

.venv/bin/python scripts/widget_pictures.py [--to docs]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from helpers.common.files import PROJECT

TEST = "tests/browser/test_run_all_in_lab.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=PROJECT / "docs", help="folder of the pictures")
    folder = parser.parse_args().to.resolve()
    environment = {**os.environ, "COURSE_RUN_ALL": "1", "COURSE_PICTURES": str(folder)}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", TEST], cwd=PROJECT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
