"""JupyterLab as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import Request, urlopen

PROJECT = Path(__file__).resolve().parents[2]
WAIT_MS = 180_000  # for a kernel to start on a busy machine


@contextmanager
def running(command: list[str], home: Path, **environment: str) -> Iterator[tuple[str, str]]:
    """Run a command that starts JupyterLab, with `home` as its home folder: (address, token)."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MAKE"))}
    runtime = home / "runtime"
    log = (home / "log").open("w")
    folders = {
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "spaces"),
    }
    server = subprocess.Popen(
        command, cwd=PROJECT, env={**known, **folders, **environment}, stdout=log, stderr=log, start_new_session=True
    )
    try:
        until = time.monotonic() + WAIT_MS / 1000
        while not (found := list(runtime.glob("jpserver-*.json"))):
            assert server.poll() is None and time.monotonic() < until, (home / "log").read_text()
            time.sleep(0.2)
        state = json.loads(found[0].read_text())
        yield state["url"], state["token"]
    finally:
        with suppress(ProcessLookupError):  # it did not start
            os.killpg(server.pid, signal.SIGTERM)  # make and its server, which stops its kernels first
        server.wait(120)
        log.close()


def end_kernels(address: str, token: str) -> None:
    """Stop the kernels of all notebooks; each holds several hundred MB."""

    def call(path: str, method: str) -> bytes:
        request = Request(f"{address.removesuffix('lab')}api/{path}", method=method)
        request.add_header("Authorization", f"token {token}")
        with urlopen(request, timeout=WAIT_MS / 1000) as answer:
            return answer.read()

    for session in json.loads(call("sessions", "GET")):
        call(f"sessions/{session['id']}", "DELETE")
