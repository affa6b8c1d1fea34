"""Execute the notebooks headless and gather what they found: papermill, metrics, report.

    python -m helpers.runner --profile smoke --only 02-04

Exit codes: 0 all is well, 1 a notebook failed or a number drifted, 2 the call was wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import fcntl
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.cityscapes import find_root
from helpers.common.command_line import exit_code
from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.profiles import load_profile
from helpers.runner import reference, report
from helpers.runner.headless import NotebookFailed, check_parameters, execute
from helpers.runner.status import clock

NOTEBOOK_FOLDER = PROJECT / "notebooks"


def run(
    profile: str,
    *,
    only: str = "",
    seed: int = 0,
    device: str = "auto",
    data_root: str = "",
    output_dir: str = "",
    notebooks: str | Path = "",
) -> Path:
    """Execute the notebooks in order and write the executed ones and report.html; returns the output folder.

    `only` selects notebooks ("04", "02,03", "02-04"; empty is all). Raises CourseError when the call cannot work and
    NotebookFailed at the first notebook that does not run to its end. An earlier result is replaced only by a whole
    new one; what a failed notebook got done is kept as `<notebook>.partial.ipynb`.
    """
    settings = load_profile(profile)
    available = select(Path(notebooks or NOTEBOOK_FOLDER), "")
    sources = select(Path(notebooks or NOTEBOOK_FOLDER), only)
    if seed < 0:
        raise CourseError(f"SEED must be 0 or more, not {seed}.")
    parameters: dict[str, Any] = {"PROFILE": profile, "SEED": seed}
    if device != "auto":
        parameters["DEVICE"] = device
    if data_root or settings.data.kind == "cityscapes":
        found = find_root(data_root, default=PROJECT / "data" / "cityscapes")  # now, not after half an hour
        parameters["DATA_ROOT"] = str(found.resolve())  # the notebooks run in another folder
    folder = PROJECT / "outputs" / profile
    if output_dir:
        folder = Path(output_dir).expanduser().resolve()
        parameters["OUTPUT_DIR"] = str(folder)
    for source in sources:
        check_parameters(source, parameters)

    with _alone_in(folder):
        started = time.monotonic()
        for source in sources:
            execute(source, folder / source.name, parameters, cell_timeout_s=settings.cell_timeout_s)
        if len(sources) > 1:
            print(f"{len(sources)} notebooks in {clock(time.monotonic() - started)}")
        page = report.build(folder, [folder / path.name for path in available], profile=profile)
        print(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB)")
    return folder


def select(folder: Path, only: str) -> list[Path]:
    """The notebooks NN_*.ipynb of `folder` that `only` names, in order. Raises CourseError for an unknown one."""
    available = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not available:
        raise CourseError(f"No notebooks in {folder}: expected names like 01_explore_cityscapes.ipynb.")
    if not only.strip():
        return list(available.values())
    wanted: set[str] = set()
    for part in only.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise CourseError(f"ONLY is written like 04, 02,03 or 02-04, not {only!r}.")
        wanted |= {f"{number:02d}" for number in range(int(match[1]), int(match[2] or match[1]) + 1)}
    for number in sorted(wanted):
        if number not in available:
            raise CourseError(f"There is no notebook {number} for ONLY={only}: choose from {', '.join(available)}.")
    return [available[number] for number in sorted(wanted)]


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold `folder` for this run; two runs in one folder would mix their checkpoints and numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(f"Another run writes to {folder}: wait for it, or choose another OUTPUT_DIR.") from None
        yield


def conclude(folder: Path, notebooks: list[str], kept: Path, *, write_reference: bool) -> list[str]:
    """Print the numbers that `notebooks` recorded in `folder`; returns those that left the reference `kept`, as lines.

    Raises NotebookFailed when metrics.json is not flat or a number in it is not finite.
    """
    try:
        metrics = reference.read_metrics(folder / "metrics.json", notebooks)
    except CourseError as error:
        raise NotebookFailed(str(error)) from None
    if write_reference:
        reference.write(kept, metrics)
        print(f"reference: {kept}")
    expected = reference.read(kept, notebooks)
    print(reference.table(metrics, expected))
    return reference.drifts(metrics, expected)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m helpers.runner", description="Execute the notebooks headless.")
    parser.add_argument("--profile", default="mini", help="smoke, mini or cityscapes")
    parser.add_argument("--only", default="", help="04, 02,03 or 02-04; all when empty")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu:0")
    parser.add_argument(
        "--data-root", default="", help="folder with leftImg8bit and gtFine; the profile's own when empty"
    )
    parser.add_argument("--output-dir", default="", help="outputs/<profile> when empty")
    parser.add_argument("--check", action="store_true", help="fail when a number is not that of the reference run")
    parser.add_argument("--write-reference", action="store_true", help="make this run the reference run")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _options(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as at Ctrl-C: kernel down, files whole
    told = "Interrupted: the kernel is shut down, earlier results are as they were."
    return exit_code(lambda: _run(options), told)


def _run(options: argparse.Namespace) -> int:
    try:
        if options.check or options.write_reference:
            reference.check_comparable(options.seed, options.data_root)
        folder = run(
            options.profile,
            only=options.only,
            seed=options.seed,
            device=options.device,
            data_root=options.data_root,
            output_dir=options.output_dir,
        )
        ran = [path.name[:2] for path in select(NOTEBOOK_FOLDER, options.only)]
        kept = PROJECT / "outputs" / options.profile / "reference.json"
        drifts = conclude(folder, ran, kept, write_reference=options.write_reference)
    except NotebookFailed as error:
        print(error, file=sys.stderr)
        return 1
    if options.check and drifts:
        print("\n".join(["These numbers are not those of the reference run:", *drifts]), file=sys.stderr)
        return 1
    return 0
