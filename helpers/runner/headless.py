"""Execute one notebook with papermill, and fail where papermill would only warn or stop quietly."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.common import caches
from helpers.common.files import PROJECT, flush
from helpers.runner.outputs import engine
from helpers.runner.status import Status

START_TIMEOUT_S = 180  # a kernel on a busy machine
IOPUB_TIMEOUT_S = 60  # papermill's 4 s are too short for a cell that sends a large image

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(RuntimeError):
    """A notebook did not complete; the message is "<notebook>, cell <n>: <cause>", without a cell before the first one.

    The cell number n is that of In [n] in JupyterLab.
    """


def declared_parameters(source: Path) -> list[str]:
    """Return the names that the notebook's cell tagged `parameters` sets, in order."""
    import papermill

    return list(papermill.inspect_notebook(source))


def execute(source: Path, target: Path, parameters: dict[str, Any], *, cell_timeout_s: int) -> None:
    """Execute `source` in its own folder and write the executed notebook to `target`.

    Raises NotebookFailed if the kernel does not start, or if a cell raises, ends the kernel, exceeds `cell_timeout_s`
    seconds or is not reached.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    name = source.stem
    partial = target.with_name(f"{name}.partial.ipynb")
    source_hash = hashlib.sha256(source.read_bytes()).hexdigest()
    partial.unlink(missing_ok=True)
    with Status(name, total=_cells_to_run(papermill.iorw.load_notebook_node(str(source))) + 1) as status:
        try:
            with _environment():
                executed = papermill.execute_notebook(
                    _unformatted(source),
                    _unformatted(partial),
                    parameters=parameters,
                    engine_name=engine(),
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
            cause = f"{error.ename}: {_first_line(error.evalue)}"
            raise NotebookFailed(f"{name}, cell {error.exec_count or status.count}: {cause}") from None
        except CellTimeoutError:
            cause = f"timed out after {cell_timeout_s} s: raise cell_timeout_s of this profile in helpers/profiles.toml"
            raise NotebookFailed(f"{name}, cell {status.count}: {cause}") from None
        except DeadKernelError:
            cause = "the kernel died, perhaps out of memory"
            raise NotebookFailed(f"{name}, cell {status.count}: {cause}") from None
        except RuntimeError as error:  # of jupyter_client, which has no class of its own for it
            if status.count:
                raise
            cause = f"the kernel did not start: {_first_line(str(error))}"
            raise NotebookFailed(f"{name}: {cause}; end other programs, or run `make setup`") from None
        except KeyboardInterrupt:
            # nbclient abandons the cell's task; if that task still fails, asyncio logs an exception never retrieved
            logging.getLogger("asyncio").addFilter(_is_not_about_abandoned_tasks)
            raise
        _check_all_ran(name, executed)
    executed.metadata["course"] = {"source": source_hash}  # for `Plan.is_whole`
    papermill.iorw.write_ipynb(executed, str(partial))
    flush(partial)
    os.replace(partial, target)


def _quiet_kernel_manager() -> type:
    from jupyter_client import AsyncKernelManager

    class QuietKernelManager(AsyncKernelManager):
        """Keeps the output of the kernel and of C++ libraries out of the terminal; the notebook holds it."""

        async def start_kernel(self, **kwargs) -> None:
            await super().start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)

    return QuietKernelManager


def _is_not_about_abandoned_tasks(record: logging.LogRecord) -> bool:
    return "never retrieved" not in record.getMessage()


def _check_all_ran(name: str, executed) -> None:
    # papermill counts SystemExit(0) in a cell as success; the following cells then have no execution count.
    ran = 0
    for cell in executed.cells:
        if _is_to_run(cell):
            if cell.execution_count is None:
                raise NotebookFailed(f"{name}, cell {ran}: ended the notebook early; the following cells did not run")
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
    """Set the environment of the kernels: these helpers, the kernel of this interpreter, plain progress lines."""
    settings = {
        **caches.of_jupyter(),
        "COURSE_HEADLESS": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",  # not a `python3` kernel of the user's home folder, which may be another Python
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else debugpy warns in the first cell
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    log = logging.getLogger("papermill")  # NotebookFailed reports what it would log
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
