"""Execute the notebooks headless and gather what they found: papermill, metrics, report.

    python -m helpers.runner --profile smoke --only 02-04

Exit codes: 0 all is well, 1 a notebook failed or a number drifted, 2 the call was wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers import reference, report
from helpers.errors import CourseError
from helpers.profiles import load_profile
from helpers.status import Status, clock

PROJECT = Path(__file__).resolve().parent.parent
NOTEBOOKS = PROJECT / "notebooks"

START_TIMEOUT_S = 180  # a kernel on a busy machine
IOPUB_TIMEOUT_S = 60  # papermill's 4 s are too short while a cell prints a large picture

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(RuntimeError):
    """A notebook did not run to its end; the message is "<notebook>, cell <n>: <what happened>".

    The cell number is the n of In [n] in the executed notebook, as JupyterLab shows it.
    """


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
    available = select(Path(notebooks or NOTEBOOKS), "")
    sources = select(Path(notebooks or NOTEBOOKS), only)
    if seed < 0:
        raise CourseError(f"SEED must be 0 or more, not {seed}.")
    parameters: dict[str, Any] = {"PROFILE": profile, "SEED": seed}
    if device != "auto":
        parameters["DEVICE"] = device
    if data_root or settings.data.kind == "cityscapes":
        from helpers.cityscapes import find_root

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


def check_parameters(source: Path, parameters: dict[str, Any]) -> None:
    """Raise CourseError when the notebook does not declare all of `parameters` (papermill would only warn)."""
    import papermill

    declared = papermill.inspect_notebook(source)
    for name in parameters:
        if name not in declared:
            known = ", ".join(declared) or "none: it has no cell tagged `parameters`"
            raise CourseError(f"{source.name} has no parameter {name}; it declares {known}.")


def execute(source: Path, target: Path, parameters: dict[str, Any], *, cell_timeout_s: int) -> None:
    """Execute `source` with its own folder as working directory and write the executed notebook to `target`.

    Raises NotebookFailed when a cell raises, ends the kernel, outlasts `cell_timeout_s` seconds or is not reached.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    name = source.stem
    partial = target.with_name(f"{name}.partial.ipynb")
    partial.unlink(missing_ok=True)
    with Status(name, total=_cells_to_run(papermill.iorw.load_notebook_node(str(source))) + 1) as status:
        try:
            with _environment():
                executed = papermill.execute_notebook(
                    _unformatted(source),
                    _unformatted(partial),
                    parameters=parameters,
                    kernel_name="python3",
                    language="python",
                    cwd=str(source.parent),
                    progress_bar=False,
                    start_timeout=START_TIMEOUT_S,
                    execution_timeout=cell_timeout_s,
                    iopub_timeout=IOPUB_TIMEOUT_S,
                    kernel_manager_class=_quiet_kernel_manager(),
                    on_cell_execute=lambda **_: status.next(),
                )
        except PapermillExecutionError as error:
            what = f"{error.ename}: {_first_line(error.evalue)}"
            raise NotebookFailed(f"{name}, cell {error.exec_count or status.count}: {what}") from None
        except CellTimeoutError:
            what = f"not done after {cell_timeout_s} s, the cell_timeout_s of this profile in helpers/profiles.toml"
            raise NotebookFailed(f"{name}, cell {status.count}: {what}") from None
        except DeadKernelError:
            what = "the kernel died; a process that needs more memory than there is ends like this"
            raise NotebookFailed(f"{name}, cell {status.count}: {what}") from None
        _check_all_ran(name, executed)
    os.replace(partial, target)


def _quiet_kernel_manager() -> type:
    from jupyter_client import AsyncKernelManager

    class QuietKernelManager(AsyncKernelManager):
        """Keeps the kernel's own log, and what C++ libraries print, out of the terminal; prints are in the notebook."""

        async def start_kernel(self, **kwargs) -> None:
            await super().start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)

    return QuietKernelManager


def _check_all_ran(name: str, executed) -> None:
    # A cell that raises SystemExit(0) ends papermill's run as a success; the cells after it have no execution count.
    ran = 0
    for cell in executed.cells:
        if _is_to_run(cell):
            if cell.execution_count is None:
                raise NotebookFailed(f"{name}, cell {ran}: ended the notebook early, the cells after it did not run")
            ran = cell.execution_count
            if any(output.get("ename") == "SystemExit" for output in cell.outputs):
                raise NotebookFailed(f"{name}, cell {ran}: SystemExit: a cell must not end the kernel")


def _is_to_run(cell) -> bool:
    tags = cell.metadata.get("tags", [])
    return cell.cell_type == "code" and bool(cell.source.strip()) and "skip-execution" not in tags


def _cells_to_run(notebook) -> int:
    return sum(_is_to_run(cell) for cell in notebook.cells)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in _ANSI.sub("", text).splitlines() if line.strip()]
    return lines[0][:500] if lines else ""


def _unformatted(path: Path) -> str:
    # papermill fills {parameters} into paths with str.format
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def _environment() -> Iterator[None]:
    """Environment of the kernels: this project's helpers, this interpreter's kernel, plain progress lines."""
    ours = {
        "COURSE_HEADLESS": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",  # a kernel `python3` of the user's home folder is another Python
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or debugpy warns in the first cell
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    log = logging.getLogger("papermill")  # what it logs is told by NotebookFailed
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


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


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
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
    options = parser.parse_args(argv)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as at Ctrl-C: kernel down, files whole
    kept = PROJECT / "outputs" / options.profile / "reference.json"
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
        ran = [path.name[:2] for path in select(NOTEBOOKS, options.only)]
        metrics = reference.read_metrics(folder / "metrics.json", ran)
        if options.write_reference:
            reference.write(kept, metrics)
            print(f"reference: {kept}")
        expected = reference.read(kept, ran)
        print(reference.table(metrics, expected))
        drifts = reference.drifts(metrics, expected)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except NotebookFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: the kernel is shut down, earlier results are as they were.", file=sys.stderr)
        return 130
    if options.check and drifts:
        print("\n".join(["These numbers are not those of the reference run:", *drifts]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
