"""Measure speed: `python -m helpers.benchmarks`, behind `make bench ONLY=data`.

Each module of `helpers.benchmarks` measures one part and names its numbers; all go into outputs/bench.json.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT, read_json, write_json

RESULTS = PROJECT / "outputs" / "bench.json"
PARTS = ("data", "deployment", "evaluation", "pruning", "training")


def bench(parts: list[str], results: Path = RESULTS) -> dict[str, float]:
    """Run the benchmarks `parts` and merge their numbers into `results`; returns the numbers of this run.

    A part may be shortened, such as "eval". Raises CourseError for a part that is not there.
    """
    parts = [_whole_name(part) for part in parts]
    measured: dict[str, float] = {}
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            numbers = importlib.import_module(f"helpers.benchmarks.{part}").run(Path(folder))
        for name, value in numbers.items():
            print(f"{name:<32} {value:12.4g}", flush=True)
        measured |= numbers
        others = read_json(results) if results.is_file() else {}
        write_json(results, dict(sorted({**others, **numbers}.items())))
    return measured


def _whole_name(part: str) -> str:
    fitting = [part] if part in PARTS else [name for name in PARTS if name.startswith(part)]
    if len(fitting) != 1:
        raise CourseError(f"There is no benchmark {part!r}: choose from {', '.join(PARTS)}.")
    return fitting[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help=f"parts, comma between: {', '.join(PARTS)}; all when empty")
    only = parser.parse_args().only

    def run() -> None:
        bench([part.strip() for part in only.split(",") if part.strip()] or list(PARTS))
        print(f"written to {RESULTS}")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
