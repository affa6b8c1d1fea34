"""Execute the notebooks headless from the command line.

python -m helpers.runner --profile smoke --only 02-04
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.common.locks import locked
from helpers.runner import hardware, reference
from helpers.runner.conclusion import conclude, differences
from helpers.runner.plan import Plan, make_plan, parse_value
from helpers.runner.run import run
from helpers.translations import build, folder

FAILED, DRIFT = 1, 3
CODES = """exit codes:
  0    success
  1    a notebook failed, or its metrics are damaged
  2    wrong call: invalid options, missing data, or a folder that cannot be written
  3    all notebooks ran, but with --check a metric drifted from the reference
  130  interrupted by Ctrl-C or SIGTERM
`make` itself ends with 2 whenever its command fails, and prints the code of the command."""


def main(argv: list[str] | None = None, project: Path = PROJECT) -> int:
    """Run the command line and return the exit code; notebooks and the reference are those of the folder `project`."""
    options = _options(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle it as Ctrl-C: stop the kernel, keep files intact
    interrupted = "Interrupted: the kernel was shut down, earlier results are unchanged."
    return exit_code(lambda: _run(options, project), interrupted)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.runner",
        description="Execute the notebooks headless.",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", default="mini", help="smoke, mini or cityscapes")
    parser.add_argument("--only", default="", help="04, 02,03 or 02-04; default: all")
    parser.add_argument("--from", dest="first", default="", metavar="NN", help="first notebook, such as 03")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu:0")
    parser.add_argument(
        "--data-root",
        default="",
        help="folder with a dataset.toml, or with leftImg8bit and gtFine; default: the data set of the profile",
    )
    parser.add_argument(
        "--output-dir",
        default="",
        help="default: outputs/<profile>, or outputs/<profile>-<folder of the data> with --data-root",
    )
    parser.add_argument("--language", default="en", help="en, or zh for notebooks with Chinese texts")
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        dest="parameters",
        metavar=("NAME", "VALUE"),
        help="set a parameter of the notebooks; may be repeated",
    )
    parser.add_argument("--check", action="store_true", help="exit code 3 if a metric differs from the reference")
    parser.add_argument("--write-reference", action="store_true", help="add the metrics of this run to the reference")
    parser.add_argument("--keep-going", action="store_true", help="execute the other notebooks after one has failed")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="start at the first notebook without a complete result of the same source and parameters",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be executed and replaced, and end")
    parser.add_argument("--junit", default="", metavar="FILE", help="write the results as JUnit XML")
    parser.add_argument(
        "--summary",
        default="",
        metavar="FILE",
        help="write the results as Markdown; default: append to $GITHUB_STEP_SUMMARY if it is set",
    )
    options = parser.parse_args(argv)
    # the parameters that have an option of their own
    own = {"PROFILE": "profile", "DEVICE": "device", "DATA_ROOT": "data_root", "OUTPUT_DIR": "output_dir"}
    options.extra = {}
    for name, text in options.parameters:
        if name in own:
            setattr(options, own[name], text)
        elif name == "SEED":
            if not text.lstrip("-").isdigit():
                parser.error(f"expected a whole number for SEED, got {text!r}")
            options.seed = int(text)
        else:
            options.extra[name] = parse_value(text)
    return options


def _run(options: argparse.Namespace, project: Path) -> int:
    notebooks = folder(options.language, project)
    if not options.dry_run:
        build(options.language, project)
    elif not notebooks.exists():  # a dry run writes nothing
        notebooks = project / "notebooks"
    plan = make_plan(
        options.profile,
        only=options.only,
        first=options.first,
        seed=options.seed,
        device=options.device,
        data_root=options.data_root,
        output_dir=options.output_dir,
        extra=options.extra,
        notebooks=notebooks,
        language=options.language,
    )
    path = project / "outputs" / plan.profile.name / "reference.json"
    _check_reference(options, plan, path)
    if options.dry_run:
        print(plan.describe(plan.missing() if options.resume else plan.sources))
        return 0
    with locked(plan.folder, "choose another OUTPUT_DIR"):
        outcomes = run(plan, keep_going=options.keep_going, resume=options.resume)
        result = conclude(
            plan,
            outcomes,
            path,
            machine=hardware.key(options.device),
            write_reference=options.write_reference,
            junit=options.junit,
            summary=options.summary,
            github=os.environ.get("GITHUB_STEP_SUMMARY", ""),
        )
    if result.errors:
        print("\n".join(result.errors), file=sys.stderr)
        return FAILED
    if options.check and result.drifts:
        print("\n".join(["These metrics differ from the reference run:", *result.drifts]), file=sys.stderr)
        return DRIFT
    return 0


def _check_reference(options: argparse.Namespace, plan: Plan, path: Path) -> None:
    """Report now, not after the run, that its metrics cannot be compared."""
    if not (options.check or options.write_reference):
        return
    expected = reference.read(path, [source.name[:2] for source in plan.sources])
    changes = [name for name in differences(plan, expected) if options.check or name != "SEED"]
    if changes:
        raise CourseError(
            "The reference run uses SEED=0 and the data set and parameters of the profile: "
            f"omit {' and '.join(changes)}{' with CHECK' if options.check else ''}."
        )


if __name__ == "__main__":
    sys.exit(main())
