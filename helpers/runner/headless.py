"""Execute one notebook with papermill, strictly: what papermill passes over is a failure here."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.runner.status import Status

START_TIMEOUT_S = 180  # a kernel on a busy machine
IOPUB_TIMEOUT_S = 60  # papermill's 4 s are too short while a cell prints a large picture

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(RuntimeError):
    """A notebook did not run to its end; the message is "<notebook>, cell <n>: <what happened>".

    The cell number is the n of In [n] in the executed notebook, as JupyterLab shows it.
    """


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
        except KeyboardInterrupt:
            # nbclient abandons the task of the cell; should that still end, asyncio complains that nobody asked how
            logging.getLogger("asyncio").addFilter(_not_about_abandoned_tasks)
            raise
        _check_all_ran(name, executed)
    os.replace(partial, target)


def _quiet_kernel_manager() -> type:
    from jupyter_client import AsyncKernelManager

    class QuietKernelManager(AsyncKernelManager):
        """Keeps the kernel's own log, and what C++ libraries print, out of the terminal; prints are in the notebook."""

        async def start_kernel(self, **kwargs) -> None:
            await super().start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)

    return QuietKernelManager


def _not_about_abandoned_tasks(record: logging.LogRecord) -> bool:
    return "never retrieved" not in record.getMessage()


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
