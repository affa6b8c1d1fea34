"""Execute the notebooks headless from the command line.

    python -m helpers.runner --profile smoke --only 02-04

Exit codes: 0 success, 1 a notebook failed or a metric left its tolerance, 2 invalid arguments, 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.runner import reference
from helpers.runner.headless import NotebookFailed
from helpers.runner.run import run, select


def main(argv: list[str] | None = None, project: Path = PROJECT) -> int:
    """Run the command line and return the exit code; notebooks and the reference are those of the folder `project`."""
    options = _options(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle it as Ctrl-C: stop the kernel, keep files intact
    interrupted = "Interrupted: the kernel was shut down, earlier results are unchanged."
    return exit_code(lambda: _run(options, project), interrupted)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m helpers.runner", description="Execute the notebooks headless.")
    parser.add_argument("--profile", default="mini", help="smoke, mini or cityscapes")
    parser.add_argument("--only", default="", help="04, 02,03 or 02-04; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu:0")
    parser.add_argument(
        "--data-root", default="", help="folder with leftImg8bit and gtFine; default: the data set of the profile"
    )
    parser.add_argument("--output-dir", default="", help="default: outputs/<profile>")
    parser.add_argument("--check", action="store_true", help="fail if a metric differs from the reference run")
    parser.add_argument("--write-reference", action="store_true", help="make this run the reference run")
    return parser.parse_args(argv)


def _run(options: argparse.Namespace, project: Path) -> int:
    notebooks = project / "notebooks"
    path = project / "outputs" / options.profile / "reference.json"
    try:
        numbers = [path.name[:2] for path in select(notebooks, options.only)]
        if options.check or options.write_reference:
            reference.check_comparable(options.seed, options.data_root)
            reference.read(path, numbers)  # a damaged one is reported now, not after the run
        folder = run(
            options.profile,
            only=options.only,
            seed=options.seed,
            device=options.device,
            data_root=options.data_root,
            output_dir=options.output_dir,
            notebooks=notebooks,
        )
        drifts = conclude(folder, numbers, path, write_reference=options.write_reference)
    except NotebookFailed as error:
        print(error, file=sys.stderr)
        return 1
    if options.check and drifts:
        print("\n".join(["These metrics differ from the reference run:", *drifts]), file=sys.stderr)
        return 1
    return 0


def conclude(folder: Path, notebooks: list[str], path: Path, *, write_reference: bool) -> list[str]:
    """Print the metrics that `notebooks` recorded in `folder` and return the differences from the reference at `path`.

    Each difference is one line of text. Raises NotebookFailed if metrics.json is not flat or a value is not finite.
    """
    try:
        metrics = reference.read_metrics(folder / "metrics.json", notebooks)
    except CourseError as error:
        raise NotebookFailed(str(error)) from None
    if write_reference:
        reference.write(path, metrics)
        print(f"reference: {path}")
    expected = reference.read(path, notebooks)
    print(reference.table(metrics, expected))
    return reference.drifts(metrics, expected)


if __name__ == "__main__":
    sys.exit(main())
