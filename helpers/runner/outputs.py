"""Bound what one cell stores in the executed notebook and, with it, in the report and in memory."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

CELL_BYTES = 5_000_000


class Bound:
    """What one cell may still store. `take` returns a message as it may be stored, or None."""

    def __init__(self):
        self.used = 0
        self.dropped = 0
        self.notice: Any = None

    def take(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Count a message of the kernel, and cut text or drop other outputs beyond CELL_BYTES; errors are kept."""
        content = message["content"]
        is_text = message["msg_type"] == "stream"
        size = len(content["text"]) if is_text else len(json.dumps(content.get("data", {})))
        left = CELL_BYTES - self.used
        if size <= left or message["msg_type"] == "error":
            self.used += size
            return message
        self.used = CELL_BYTES  # later outputs are dropped too, even small ones
        if is_text and left > 0:
            self.dropped += size - left
            return {**message, "content": {**content, "text": content["text"][:left]}}
        self.dropped += size
        return None

    def report(self, outputs: list) -> None:
        """Append a line on what was dropped to the outputs of the cell, or update it."""
        from nbformat.v4 import new_output

        if self.notice is None:
            self.notice = new_output("stream", name="stdout", text="")
            outputs.append(self.notice)
        megabytes = self.dropped / 1e6
        self.notice.text = f"\n[{megabytes:.1f} MB of output left out: a cell may store {CELL_BYTES / 1e6:.0f} MB]\n"


@cache
def engine() -> str:
    """Register an engine of papermill that bounds the outputs of each cell, and return its name."""
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines

    class Client(PapermillNotebookClient):
        """Drops outputs as they arrive, so that a cell that prints without end cannot fill the memory."""

        def output(self, outs, msg, display_id, cell_index):
            if not outs or self.clear_before_next_output:
                self._bounds.pop(cell_index, None)  # the cell has cleared its outputs
            bound = self._bounds.setdefault(cell_index, Bound())
            kept = bound.take(msg)
            out = super().output(outs, kept, display_id, cell_index) if kept else None
            if bound.dropped:
                bound.report(outs)
            return out

        def execute(self, **kwargs):
            self._bounds: dict[int, Bound] = {}
            return super().execute(**kwargs)

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, *, start_timeout, execution_timeout, **kwargs):
            ignored = ("input_path", "timeout", "startup_timeout")
            settings = {name: value for name, value in kwargs.items() if name not in ignored}
            client = Client(
                nb_man,
                kernel_name=kernel_name,
                startup_timeout=start_timeout,
                timeout=execution_timeout,
                **settings,
            )
            return client.execute()

    papermill_engines.register("bounded", Engine)
    return "bounded"
