"""Measure speed: `python -m helpers.benchmarks`, the command behind `make bench ONLY=data`.

Each part is a module of `helpers.benchmarks`. The numbers of all parts are merged into outputs/bench.json.
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
PARTS = ("data", "deployment", "evaluation", "pruning", "training", "widgets")


def bench(parts: list[str], results: Path = RESULTS, *, tiny: bool = False) -> dict[str, float]:
    """Run the benchmarks `parts` and merge their numbers into the file `results`; return the numbers of this run.

    A name may be shortened, such as "eval". With `tiny`, measure as little as possible, to see that everything runs.
    Raises CourseError for an unknown part, before any part runs.
    """
    names = [full_name(part) for part in parts]
    measured: dict[str, float] = {}
    for name in names:
        # Imported only when it runs: the part "data" reports the memory of this process, without Paddle.
        part = importlib.import_module(f"helpers.benchmarks.{name}")
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            numbers = part.run(Path(folder), part.TINY if tiny else part.FULL)
        for key, value in numbers.items():
            print(f"{key:<32} {value:12.4g}", flush=True)
        measured |= numbers
        others = read_json(results) if results.is_file() else {}
        write_json(results, dict(sorted({**others, **numbers}.items())))
    return measured


def full_name(part: str) -> str:
    """Complete a shortened name of a part. Raises CourseError when no part or several parts begin like this."""
    matches = [part] if part in PARTS else [name for name in PARTS if name.startswith(part)]
    if len(matches) != 1:
        raise CourseError(f"Unknown benchmark {part!r}: choose from {', '.join(PARTS)}.")
    return matches[0]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 after an unknown part."""
    parser = argparse.ArgumentParser(prog="python -m helpers.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help=f"parts, separated by commas: {', '.join(PARTS)}; default: all")
    parser.add_argument("--tiny", action="store_true", help="run every line within seconds; the numbers mean nothing")
    parser.add_argument("--to", type=Path, default=RESULTS, help="file of results, default outputs/bench.json")
    options = parser.parse_args(arguments)

    def run() -> None:
        only = [part.strip() for part in options.only.split(",") if part.strip()]
        bench(only or list(PARTS), options.to, tiny=options.tiny)
        print(f"written to {options.to}")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
